-- severity: fail
-- for: dimension with history
-- says: every history begins in 1900, ends open, and has neither hole nor overlap
select count(*) from (
    select valid_from, valid_to, is_current,
        lag(valid_to) over history as before,
        lead(valid_from) over history as after
    from {{ gold(table) }} where {{ business_key }} is not null
    window history as (partition by {{ business_key }} order by valid_from)
)
where valid_from <> coalesce(before, {{ beginning() }})
    or valid_to <> coalesce(after, {{ open_end() }})
    or valid_from >= valid_to
    or is_current <> (valid_to = {{ open_end() }})

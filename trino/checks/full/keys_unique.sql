-- severity: fail
-- for: generated, dimension
-- says: every surrogate key is there once
select count(*) from (
    select {{ surrogate_key }} from {{ gold(table) }} group by {{ surrogate_key }} having count(*) > 1
)

-- severity: fail
-- for: fact with amount
-- says: the build's amounts add up to silver's, per currency
select count(*) from (
    select currency, sum(amount) as amount from {{ new_by_offsets(reads) }} group by currency
) s
full join (
    select currency, sum(amount) as amount from {{ gold(table) }} where build_id = {{ build_id }} group by currency
) g on g.currency = s.currency
where s.amount is distinct from g.amount

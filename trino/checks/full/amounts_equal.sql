-- severity: fail
-- for: fact with amount
-- says: amounts add up to silver's, per currency
select count(*) from (
    select currency, sum(amount) as amount from {{ upto(reads) }} group by currency
) s
full join (
    select currency, sum(amount) as amount from {{ gold(table) }} group by currency
) g on g.currency = s.currency
where s.amount is distinct from g.amount

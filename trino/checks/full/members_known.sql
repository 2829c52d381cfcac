-- severity: fail
-- for: dimension
-- says: the unknown row is there once, and every key that silver names has a row
select (select abs(count(*) - 1) from {{ gold(table) }} where {{ business_key }} is null) + (
    select count(*) from (
        {{ touched(business_key) }}
    ) named (k)
    where k not in (select {{ business_key }} from {{ gold(table) }} where {{ business_key }} is not null)
)

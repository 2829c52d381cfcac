-- severity: warn
-- for: fact
-- says: no event id was accepted twice where the duplicate rule could not see it (another partition, or long after)
select count(*) from (
    select {{ surrogate_key }} from {{ gold(table) }} group by {{ surrogate_key }} having count(*) > 1
)

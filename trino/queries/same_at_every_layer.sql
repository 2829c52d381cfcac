-- Do silver, gold and ClickHouse hold the same events, day by day?
-- param since date = today-7: first day, in UTC
--
-- Days on which the three differ come first; a build or a copy may be under way: events are in silver before they are in
-- gold, and in gold before they are in ClickHouse. ClickHouse counts by itself, in a view: Trino's connector does not know
-- the type of its event_time.
with counted as (
    select 'silver' as layer, 'calls' as source, cast(event_time at time zone 'UTC' as date) as day,
        count(*) as events
    from iceberg.silver.calls
    where event_time >= cast(:since as timestamp(6) with time zone) and not is_rejected
    group by 3
    union all
    select 'silver' as layer, 'payment' as source, cast(event_time at time zone 'UTC' as date) as day,
        count(*) as events
    from iceberg.silver.payment
    where event_time >= cast(:since as timestamp(6) with time zone) and not is_rejected
    group by 3
    union all
    select 'silver' as layer, 'recharge' as source, cast(event_time at time zone 'UTC' as date) as day,
        count(*) as events
    from iceberg.silver.recharge
    where event_time >= cast(:since as timestamp(6) with time zone) and not is_rejected
    group by 3
    union all
    select 'silver' as layer, 'sms' as source, cast(event_time at time zone 'UTC' as date) as day,
        count(*) as events
    from iceberg.silver.sms
    where event_time >= cast(:since as timestamp(6) with time zone) and not is_rejected
    group by 3
    union all
    select 'silver' as layer, 'support' as source, cast(event_time at time zone 'UTC' as date) as day,
        count(*) as events
    from iceberg.silver.support
    where event_time >= cast(:since as timestamp(6) with time zone) and not is_rejected
    group by 3
    union all
    select 'gold' as layer, 'calls' as source, cast(event_time at time zone 'UTC' as date) as day,
        count(*) as events
    from iceberg.gold.fact_calls
    where event_time >= cast(:since as timestamp(6) with time zone)
    group by 3
    union all
    select 'gold' as layer, 'payment' as source, cast(event_time at time zone 'UTC' as date) as day,
        count(*) as events
    from iceberg.gold.fact_payment
    where event_time >= cast(:since as timestamp(6) with time zone)
    group by 3
    union all
    select 'gold' as layer, 'recharge' as source, cast(event_time at time zone 'UTC' as date) as day,
        count(*) as events
    from iceberg.gold.fact_recharge
    where event_time >= cast(:since as timestamp(6) with time zone)
    group by 3
    union all
    select 'gold' as layer, 'sms' as source, cast(event_time at time zone 'UTC' as date) as day,
        count(*) as events
    from iceberg.gold.fact_sms
    where event_time >= cast(:since as timestamp(6) with time zone)
    group by 3
    union all
    select 'gold' as layer, 'support' as source, cast(event_time at time zone 'UTC' as date) as day,
        count(*) as events
    from iceberg.gold.fact_support
    where event_time >= cast(:since as timestamp(6) with time zone)
    group by 3
    union all
    select 'clickhouse', source, day, events
    from clickhouse.gold.events_by_day
    where day >= :since
)
select day,
    source,
    sum(events) filter (where layer = 'silver') as in_silver,
    sum(events) filter (where layer = 'gold') as in_gold,
    sum(events) filter (where layer = 'clickhouse') as in_clickhouse
from counted
group by day, source
order by if(min(events) = max(events) and count(*) = 3, 1, 0), day desc, source

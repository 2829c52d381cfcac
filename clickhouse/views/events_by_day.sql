-- Events of each fact by day (UTC). Trino's saved questions compare layers by it: its connector does not know event_time's type.
create or replace view gold.events_by_day as
select 'calls' as source, toDate(event_time) as day, toInt64(count()) as events from gold.fact_calls group by day
union all
select 'payment' as source, toDate(event_time) as day, toInt64(count()) as events from gold.fact_payment group by day
union all
select 'recharge' as source, toDate(event_time) as day, toInt64(count()) as events from gold.fact_recharge group by day
union all
select 'sms' as source, toDate(event_time) as day, toInt64(count()) as events from gold.fact_sms group by day
union all
select 'support' as source, toDate(event_time) as day, toInt64(count()) as events from gold.fact_support group by day

-- What calls cost by the caller's plan, currency and day (UTC). Trino's saved questions compare gold with it: keys are 128-bit
-- numbers here, which its connector does not know.
create or replace view gold.call_revenue_by_day as
select toString(u.plan_type) as plan_type, toString(f.currency) as currency, toDate(f.event_time) as day,
    sum(f.amount) as revenue
from gold.fact_calls as f
join gold.dim_user as u on u.user_sk = f.from_user_sk
group by plan_type, currency, day

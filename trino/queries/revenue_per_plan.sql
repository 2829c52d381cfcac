-- What do customers of each plan pay for calls, and does ClickHouse say the same as gold?
-- param since date = today-30: first day, in UTC
--
-- ClickHouse joins and adds up a day by itself, in a view: its keys are 128-bit numbers, which Trino's connector does not know.
with gold as (
    select u.plan_type, f.currency, count(*) as calls, sum(f.amount) as revenue
    from iceberg.gold.fact_calls f
    join iceberg.gold.dim_user u on u.user_sk = f.from_user_sk
    where f.event_time >= cast(:since as timestamp(6) with time zone)
    group by u.plan_type, f.currency
),
copy as (
    select plan_type, currency, sum(revenue) as revenue
    from clickhouse.gold.call_revenue_by_day
    where day >= :since
    group by plan_type, currency
)
select coalesce(g.plan_type, c.plan_type, 'unknown') as plan,
    coalesce(g.currency, c.currency) as currency,
    g.calls as calls_in_gold,
    g.revenue as revenue_in_gold,
    c.revenue as revenue_in_clickhouse,
    coalesce(g.revenue, 0) - coalesce(c.revenue, 0) as difference
from gold g
full join copy c on coalesce(c.plan_type, '') = coalesce(g.plan_type, '') and c.currency = g.currency
order by revenue_in_gold desc nulls last, plan, currency

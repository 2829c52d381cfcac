-- Revenue of calls and messages, by plan at the time and handset brand
with charged as
(
    select from_user_sk, from_device_sk, currency, amount, 1 as is_call from gold.fact_calls
    union all
    select from_user_sk, from_device_sk, currency, amount, 0 as is_call from gold.fact_sms
)
select ifNull(u.plan_type, 'unknown') as plan, ifNull(d.brand, 'unknown') as brand, c.currency as currency,
    sum(c.is_call) as calls, count() - calls as messages, sum(c.amount) as revenue
from charged as c
join gold.dim_user as u on u.user_sk = c.from_user_sk
join gold.dim_device as d on d.device_sk = c.from_device_sk
group by plan, brand, currency
order by revenue desc, plan, brand
limit 12

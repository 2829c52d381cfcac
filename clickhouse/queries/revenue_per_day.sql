-- Revenue per day and call type
select d.date_value as day, f.call_type, f.currency, count() as calls, sum(f.amount) as revenue
from gold.fact_calls as f
join gold.dim_date as d on d.date_sk = f.date_sk
group by day, call_type, currency
order by day desc, revenue desc
limit 12

-- Calls and answer rate per city: the busiest hours of the last full day
with (select max(date_value) - 1 from gold.dim_date where date_sk in (select date_sk from gold.fact_calls)) as latest
select c.city, t.hour, count() as calls, round(100 * countIf(f.status in ('completed', 'in-progress')) / count(), 1) as answered_percent
from gold.fact_calls as f
join gold.dim_cell_site as c on c.cell_sk = f.from_cell_sk
join gold.dim_time as t on t.time_sk = f.time_sk
where f.date_sk = (select date_sk from gold.dim_date where date_value = latest) and c.city is not null
group by c.city, t.hour
order by calls desc, c.city, t.hour
limit 10

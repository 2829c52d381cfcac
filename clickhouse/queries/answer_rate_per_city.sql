-- Calls and answer rate per city and hour: the busiest hours of the latest full day
with (select max(toDate(event_time, 'Africa/Cairo')) - 1 from gold.fact_calls) as latest
select c.city, t.hour, count() as calls, round(100 * countIf(f.status in ('completed', 'in-progress')) / count(), 1) as answered_percent
from gold.fact_calls as f
join gold.dim_cell_site as c on c.cell_sk = f.from_cell_sk
join gold.dim_time as t on t.time_sk = f.time_sk
where toDate(f.event_time, 'Africa/Cairo') = latest and c.city is not null
group by c.city, t.hour
order by calls desc, c.city, t.hour
limit 10

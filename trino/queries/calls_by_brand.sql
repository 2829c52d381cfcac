-- How do calls go, by the brand of the caller's handset?
-- param since date = today-7: first day, in UTC
--
-- Brands come from the records that workers have in Redis, calls from silver: seconds old, before any build.
select coalesce(d.brand, if(c.from_tac is null, 'no IMEI', 'no record')) as brand,
    count(*) as calls,
    round(100e0 * count_if(c.status = 'completed') / count(*), 1) as completed_percent,
    round(avg(c.mos_score), 2) as mos,
    round(avg(c.packet_loss_percent), 2) as packet_loss_percent
from iceberg.silver.calls c
left join redis.default.devices d on d.tac = c.from_tac
where not c.is_rejected and c.event_time >= cast(:since as timestamp(6) with time zone)
group by 1
order by calls desc, brand

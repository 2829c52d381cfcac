-- Who topped up and had a support case soon after, by plan and reason?
-- param days integer = 7: days between the recharge and the case, at most
-- param since date = today-30: first day of the cases, in UTC
--
-- Cases come from silver, seconds after they happened; recharges from gold; the plan that holds now from Redis.
with cases as (
    select phone_number, event_id, event_time, reason
    from iceberg.silver.support
    where not is_rejected and event_time >= cast(:since as timestamp(6) with time zone)
),
recharges as (
    select phone_number, event_time, status
    from iceberg.gold.fact_recharge
    where event_time >= cast(:since as timestamp(6) with time zone) - :days * interval '1' day
)
select coalesce(u.plan_type, 'unknown') as plan,
    c.reason,
    count(distinct c.event_id) as cases,
    count(distinct c.phone_number) as customers,
    count(distinct c.event_id) filter (where r.status = 'failed') as after_a_failed_recharge
from cases c
join recharges r on r.phone_number = c.phone_number
    and r.event_time <= c.event_time
    and r.event_time >= c.event_time - :days * interval '1' day
left join redis.default.users u on u.phone_number = c.phone_number
group by 1, 2
order by cases desc, plan, reason

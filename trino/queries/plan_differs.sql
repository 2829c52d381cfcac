-- Whose plan in Redis, by which workers enrich events, is another one than in dim_user?
--
-- Redis holds the record that arrived last, gold the one that is in force: a record that takes effect later, or came late
-- and tells of the past, makes a difference that is right. Numbers that only events have named are in neither.
select r.phone_number,
    r.plan_type as plan_in_redis,
    u.plan_type as plan_in_gold,
    u.valid_from,
    u.is_deleted
from redis.default.users r
left join iceberg.gold.dim_user u on u.phone_number = r.phone_number
    and u.valid_from <= current_timestamp and u.valid_to > current_timestamp
where r.plan_type is distinct from u.plan_type
order by r.phone_number

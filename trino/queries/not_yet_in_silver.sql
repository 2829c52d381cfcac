-- Which messages are on the topics but not yet in silver?
-- param minutes integer = 15: how far back to look, by the time at which Kafka took the message
--
-- Trino reads a topic from the bound on _timestamp on, and silver's files of that time. What waits here for longer than
-- some seconds is waiting for a worker.
with on_topic as (
    select 'calls' as source, _partition_id as partition_id, _partition_offset as offset, _timestamp as at
    from kafka.default.calls
    where _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :minutes * interval '1' minute
    union all
    select 'payment' as source, _partition_id as partition_id, _partition_offset as offset, _timestamp as at
    from kafka.default.payment
    where _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :minutes * interval '1' minute
    union all
    select 'recharge' as source, _partition_id as partition_id, _partition_offset as offset, _timestamp as at
    from kafka.default.recharge
    where _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :minutes * interval '1' minute
    union all
    select 'sms' as source, _partition_id as partition_id, _partition_offset as offset, _timestamp as at
    from kafka.default.sms
    where _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :minutes * interval '1' minute
    union all
    select 'support' as source, _partition_id as partition_id, _partition_offset as offset, _timestamp as at
    from kafka.default.support
    where _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :minutes * interval '1' minute
),
in_silver as (
    select 'calls' as source, kafka_partition as partition_id, kafka_offset as offset
    from iceberg.silver.calls
    where kafka_timestamp >= current_timestamp - :minutes * interval '1' minute
    union all
    select 'payment' as source, kafka_partition as partition_id, kafka_offset as offset
    from iceberg.silver.payment
    where kafka_timestamp >= current_timestamp - :minutes * interval '1' minute
    union all
    select 'recharge' as source, kafka_partition as partition_id, kafka_offset as offset
    from iceberg.silver.recharge
    where kafka_timestamp >= current_timestamp - :minutes * interval '1' minute
    union all
    select 'sms' as source, kafka_partition as partition_id, kafka_offset as offset
    from iceberg.silver.sms
    where kafka_timestamp >= current_timestamp - :minutes * interval '1' minute
    union all
    select 'support' as source, kafka_partition as partition_id, kafka_offset as offset
    from iceberg.silver.support
    where kafka_timestamp >= current_timestamp - :minutes * interval '1' minute
)
select t.source,
    count(*) as on_topic,
    count(s.offset) as in_silver,
    count(*) - count(s.offset) as not_yet,
    min(t.at) filter (where s.offset is null) as oldest_waiting
from on_topic t
left join in_silver s on s.source = t.source and s.partition_id = t.partition_id and s.offset = t.offset
group by t.source
order by t.source

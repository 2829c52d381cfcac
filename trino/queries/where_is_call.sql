-- Where is this call: on the topic, in silver, in gold, in ClickHouse?
-- param event_id text: id that the source gave (sid)
-- param hours integer = 24: how far back to look on the topic, by the time at which Kafka took the message
--
-- The topic has the text as it was sent; an id that came twice is there twice, and in silver once as a duplicate.
select 1 as step,
    'topic' as layer,
    with_timezone(_timestamp, 'UTC') as kafka_time,
    _partition_id as kafka_partition,
    _partition_offset as kafka_offset,
    status,
    amount,
    _message as said
from kafka.default.calls
where event_id = :event_id
    and _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :hours * interval '1' hour
union all
select 2, 'silver', kafka_timestamp, kafka_partition, kafka_offset, status, cast(amount as varchar),
    if(is_rejected, 'rejected: ' || rejection_reason, 'accepted')
from iceberg.silver.calls
where event_id = :event_id
union all
select 3, 'gold', kafka_timestamp, kafka_partition, kafka_offset, status, cast(amount as varchar),
    'build ' || cast(build_id as varchar)
from iceberg.gold.fact_calls
where call_id = :event_id
union all
select 4, 'clickhouse', null, kafka_partition, kafka_offset, status, cast(amount as varchar),
    'build ' || cast(build_id as varchar)
from clickhouse.gold.fact_calls
where call_id = :event_id
order by step, kafka_partition, kafka_offset

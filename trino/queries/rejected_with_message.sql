-- Why were events rejected, and what did their messages look like?
-- param source text = calls: calls, payment, recharge, sms or support
-- param reason text = %: a pattern of reasons, such as range:% or %missing:currency%
-- param hours integer = 24: how far back to look, by the time at which Kafka took the message
-- param examples integer = 2: messages of each reason
--
-- The message is read from the topic, byte for byte, as long as Kafka keeps it. Branches of other sources are cut away
-- when the query is planned, so only one topic is read.
with rejected as (
    select kafka_partition as partition_id, kafka_offset as offset, rejection_reason as reason
    from iceberg.silver.calls
    where :source = 'calls' and is_rejected and kafka_timestamp >= current_timestamp - :hours * interval '1' hour
    union all
    select kafka_partition as partition_id, kafka_offset as offset, rejection_reason as reason
    from iceberg.silver.payment
    where :source = 'payment' and is_rejected and kafka_timestamp >= current_timestamp - :hours * interval '1' hour
    union all
    select kafka_partition as partition_id, kafka_offset as offset, rejection_reason as reason
    from iceberg.silver.recharge
    where :source = 'recharge' and is_rejected and kafka_timestamp >= current_timestamp - :hours * interval '1' hour
    union all
    select kafka_partition as partition_id, kafka_offset as offset, rejection_reason as reason
    from iceberg.silver.sms
    where :source = 'sms' and is_rejected and kafka_timestamp >= current_timestamp - :hours * interval '1' hour
    union all
    select kafka_partition as partition_id, kafka_offset as offset, rejection_reason as reason
    from iceberg.silver.support
    where :source = 'support' and is_rejected and kafka_timestamp >= current_timestamp - :hours * interval '1' hour
),
messages as (
    select _partition_id as partition_id, _partition_offset as offset, _timestamp as at, _message as message
    from kafka.default.calls
    where :source = 'calls'
        and _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :hours * interval '1' hour
    union all
    select _partition_id as partition_id, _partition_offset as offset, _timestamp as at, _message as message
    from kafka.default.payment
    where :source = 'payment'
        and _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :hours * interval '1' hour
    union all
    select _partition_id as partition_id, _partition_offset as offset, _timestamp as at, _message as message
    from kafka.default.recharge
    where :source = 'recharge'
        and _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :hours * interval '1' hour
    union all
    select _partition_id as partition_id, _partition_offset as offset, _timestamp as at, _message as message
    from kafka.default.sms
    where :source = 'sms'
        and _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :hours * interval '1' hour
    union all
    select _partition_id as partition_id, _partition_offset as offset, _timestamp as at, _message as message
    from kafka.default.support
    where :source = 'support'
        and _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :hours * interval '1' hour
),
ranked as (
    select r.reason, m.at, m.partition_id, m.offset, m.message,
        count(*) over (partition by r.reason) as events,
        row_number() over (partition by r.reason order by m.at desc, m.partition_id, m.offset desc) as place
    from rejected r
    join messages m on m.partition_id = r.partition_id and m.offset = r.offset
    where r.reason like :reason
)
select reason, events, at, partition_id, offset, message
from ranked
where place <= :examples
order by events desc, reason, place

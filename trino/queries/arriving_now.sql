-- What arrives on the topics, minute by minute, and how much of it can't be read?
-- param minutes integer = 15: how far back to look, by the time at which Kafka took the message
with arrived as (
    select 'calls' as source, _timestamp as at, _message_corrupt as corrupt, _message_length as bytes
    from kafka.default.calls
    where _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :minutes * interval '1' minute
    union all
    select 'payment' as source, _timestamp as at, _message_corrupt as corrupt, _message_length as bytes
    from kafka.default.payment
    where _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :minutes * interval '1' minute
    union all
    select 'recharge' as source, _timestamp as at, _message_corrupt as corrupt, _message_length as bytes
    from kafka.default.recharge
    where _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :minutes * interval '1' minute
    union all
    select 'sms' as source, _timestamp as at, _message_corrupt as corrupt, _message_length as bytes
    from kafka.default.sms
    where _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :minutes * interval '1' minute
    union all
    select 'support' as source, _timestamp as at, _message_corrupt as corrupt, _message_length as bytes
    from kafka.default.support
    where _timestamp >= cast(current_timestamp at time zone 'UTC' as timestamp(3)) - :minutes * interval '1' minute
)
select date_trunc('minute', at) as minute,
    source,
    count(*) as messages,
    count_if(corrupt) as unreadable,
    round(avg(bytes)) as average_bytes,
    max(bytes) as longest_bytes
from arrived
group by 1, 2
order by 1 desc, 2

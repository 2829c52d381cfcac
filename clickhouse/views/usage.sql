-- What was charged for use, and who did anything: of calls and messages their price, of the other facts nothing but that they were.
create or replace view gold.usage as
select event_time, from_user_sk as user_sk, from_phone_number as phone_number, subscriber, amount as charged, currency,
    call_duration_seconds as seconds, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_calls
union all
select event_time, from_user_sk, from_phone_number, subscriber, amount, currency,
    toInt64(0), kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_sms
union all
select event_time, user_sk, phone_number, subscriber, toDecimal64(0, 4), toLowCardinality(''),
    toInt64(0), kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_payment
union all
select event_time, user_sk, phone_number, subscriber, toDecimal64(0, 4), toLowCardinality(''),
    toInt64(0), kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_recharge
union all
select event_time, user_sk, phone_number, subscriber, toDecimal64(0, 4), toLowCardinality(''),
    toInt64(0), kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_support

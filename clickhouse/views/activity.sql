-- Whatever a subscriber did: one row an event of the five facts, under the columns that they share.
create or replace view gold.activity as
select 'call' as kind, call_id as id, event_time, status, from_user_sk as user_sk, from_phone_number as phone_number,
    to_phone_number as other_party, toString(call_type) as what, toNullable(amount) as amount, toString(currency) as currency,
    call_duration_seconds as seconds, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_calls
union all
select 'sms', sms_id, event_time, status, from_user_sk, from_phone_number,
    to_phone_number, '', toNullable(amount), toString(currency), 0, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_sms
union all
select 'payment', payment_id, event_time, status, user_sk, phone_number,
    customer_phone, toString(payment_type), toNullable(amount), toString(currency), 0, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_payment
union all
select 'recharge', recharge_id, event_time, status, user_sk, phone_number,
    customer, toString(payment_method), toNullable(amount), toString(currency), 0, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_recharge
union all
select 'support', support_id, event_time, '', user_sk, phone_number,
    customer_phone, toString(reason), null, '', 0, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_support

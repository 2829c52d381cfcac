-- Whatever a subscriber did: one row an event of the five facts, under the columns that they share.
create or replace view gold.activity as
select toLowCardinality('call') as kind, call_id as id, event_time, status, from_user_sk as user_sk,
    from_phone_number as phone_number, subscriber, to_phone_number as other_party, call_type as what, toNullable(amount) as amount,
    currency, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_calls
union all
select toLowCardinality('sms'), sms_id, event_time, status, from_user_sk,
    from_phone_number, subscriber, to_phone_number, toLowCardinality(''), toNullable(amount),
    currency, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_sms
union all
select toLowCardinality('payment'), payment_id, event_time, status, user_sk,
    phone_number, subscriber, customer_phone, payment_type, toNullable(amount),
    currency, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_payment
union all
select toLowCardinality('recharge'), recharge_id, event_time, status, user_sk,
    phone_number, subscriber, customer, payment_method, toNullable(amount),
    currency, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_recharge
union all
select toLowCardinality('support'), support_id, event_time, toLowCardinality(''), user_sk,
    phone_number, subscriber, customer_phone, reason, null,
    toLowCardinality(''), kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_support

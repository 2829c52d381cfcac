-- What gold.activity says of payments.
create or replace view gold.activity_payment as
select toLowCardinality('payment') as kind, payment_id as id, event_time, status, user_sk,
    phone_number, user_no, subscriber_no, user_plan, user_city, customer_phone as other_party, payment_type as what, toNullable(f.amount) as amount,
    currency, toDecimal64(0, 4) as charged, toInt64(0) as seconds, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_payment as f

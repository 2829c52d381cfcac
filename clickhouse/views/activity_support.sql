-- What gold.activity says of support cases.
create or replace view gold.activity_support as
select toLowCardinality('support') as kind, support_id as id, event_time, toLowCardinality('') as status, user_sk,
    phone_number, user_no, subscriber_no, user_plan, user_city, customer_phone as other_party, reason as what, cast(null as Nullable(Decimal(18, 4))) as amount,
    toLowCardinality('') as currency, toDecimal64(0, 4) as charged, toInt64(0) as seconds, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_support as f

-- What gold.activity says of text messages.
create or replace view gold.activity_sms as
select toLowCardinality('sms') as kind, sms_id as id, event_time, status, from_user_sk as user_sk,
    from_phone_number as phone_number, user_no, subscriber_no, user_plan, user_city, to_phone_number as other_party, toLowCardinality('') as what, toNullable(f.amount) as amount,
    currency, f.amount as charged, toInt64(0) as seconds, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_sms as f

-- What gold.activity says of calls.
create or replace view gold.activity_calls as
select toLowCardinality('call') as kind, call_id as id, event_time, status, from_user_sk as user_sk,
    from_phone_number as phone_number, user_no, subscriber_no, user_plan, user_city, to_phone_number as other_party, call_type as what, toNullable(f.amount) as amount,
    currency, f.amount as charged, call_duration_seconds as seconds, kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.fact_calls as f

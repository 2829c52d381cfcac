-- What was charged for use, and who did anything: of calls and messages their price, of the other facts nothing but that they were.
create or replace view gold.usage as
select event_time, user_sk, user_no, subscriber_no, user_plan, user_city, phone_number, charged, if(kind in ('call', 'sms'), currency, '') as currency, seconds,
    kafka_topic_id, kafka_partition, kafka_offset, build_id
from gold.activity

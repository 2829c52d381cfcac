-- severity: fail
-- for: fact
-- says: every offset of a topic's partition is there once
select count(*) from (
    select 1 from {{ gold(table) }} group by kafka_topic_id, kafka_partition, kafka_offset having count(*) > 1
)

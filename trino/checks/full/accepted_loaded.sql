-- severity: fail
-- for: fact
-- says: all events that silver accepted up to the last build are there, and no others
select count(*) from (
    select kafka_topic_id, kafka_partition, count(*) as events, sum(cast(kafka_offset as decimal(38, 0))) as offsets
    from {{ upto(reads) }} group by 1, 2
) s
full join (
    select kafka_topic_id, kafka_partition, count(*) as events, sum(cast(kafka_offset as decimal(38, 0))) as offsets
    from {{ gold(table) }} group by 1, 2
) g on g.kafka_topic_id = s.kafka_topic_id and g.kafka_partition = s.kafka_partition
where s.events is distinct from g.events or s.offsets is distinct from g.offsets

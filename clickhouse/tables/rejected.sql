-- Copied from silver, not from gold. Dashboards ask for a time range first, then by source and reason.
create table if not exists gold.rejected
(
    source LowCardinality(String) comment 'contract that the message breaks',
    rejection_reason String comment 'every code, as silver has them',
    codes Array(LowCardinality(String)) comment 'the codes one by one',
    event_id Nullable(String) comment 'id that the source gave; of a reference record its key',
    event_time Nullable(DateTime64(6, 'UTC')) comment 'when it happened, as far as that could be read',
    timestamp_raw Nullable(String) comment 'unreadable timestamp',
    phone_number Nullable(String) comment 'customer, as far as that could be read',
    kafka_topic LowCardinality(String) comment 'lineage: topic',
    kafka_topic_id LowCardinality(String) comment 'lineage: topic id',
    kafka_partition Int32 comment 'lineage: partition',
    kafka_offset Int64 comment 'lineage: offset',
    kafka_timestamp DateTime64(6, 'UTC') comment 'lineage: Kafka''s time of the message',
    ingested_at DateTime64(6, 'UTC') comment 'when a worker wrote it to silver',
    build_id Int64 comment 'build with which it was copied'
)
engine = MergeTree partition by toYYYYMM(kafka_timestamp) order by (toStartOfHour(kafka_timestamp), source)
comment 'Messages that broke a rule (copy of the rejected rows of iceberg silver)'

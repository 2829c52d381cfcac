create table if not exists gold.dim_device
(
    device_sk UInt128 comment 'surrogate key: its 32 hex digits as a number',
    tac Nullable(String) comment 'type allocation code; null in the unknown row',
    brand LowCardinality(Nullable(String)) comment 'maker',
    model LowCardinality(Nullable(String)) comment 'model name',
    os_version LowCardinality(Nullable(String)) comment 'operating system',
    is_smartphone Nullable(Bool) comment 'whether it is a smartphone',
    is_inferred Bool comment 'whether only events named the code so far',
    is_deleted Bool comment 'whether the last record is a deletion',
    effective_from Nullable(DateTime64(6, 'UTC')) comment 'from when the last record holds',
    updated_at Nullable(DateTime64(6, 'UTC')) comment 'greatest Kafka time of the records'
)
engine = MergeTree order by device_sk
comment 'Devices (copy of iceberg gold.dim_device)'

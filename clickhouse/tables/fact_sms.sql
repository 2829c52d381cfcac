-- Dashboards ask for a time range first, then for delivery by status and cell.
create table if not exists gold.fact_sms
(
    transaction_sk UInt128 comment 'surrogate key of event type and id: its 32 hex digits as a number',
    date_sk UInt128 comment 'day of the message in the operator''s zone, in dim_date',
    time_sk UInt32 comment 'second of the day in the operator''s zone, in dim_time',
    event_time DateTime64(6, 'UTC') comment 'when the message was sent',
    event_type LowCardinality(String) comment 'sms',
    from_user_sk UInt128 comment 'sender, as valid at the message, in dim_user',
    to_user_sk UInt128 comment 'receiver, as valid at the message, in dim_user',
    from_device_sk UInt128 comment 'sender''s handset model, in dim_device',
    to_device_sk UInt128 comment 'receiver''s handset model, in dim_device',
    from_cell_sk UInt128 comment 'sender''s cell, as valid at the message, in dim_cell_site',
    to_cell_sk UInt128 comment 'receiver''s cell, as valid at the message, in dim_cell_site',
    sms_id String comment 'id that the source gave',
    from_phone_number String comment 'sender in E.164',
    to_phone_number String comment 'receiver in E.164',
    from_cell_site LowCardinality(String) comment 'cell of the sender',
    to_cell_site LowCardinality(String) comment 'cell of the receiver',
    from_imei String comment 'handset of the sender',
    to_imei String comment 'handset of the receiver',
    from_tac LowCardinality(String) comment 'first 8 digits of the sender''s IMEI',
    to_tac LowCardinality(String) comment 'first 8 digits of the receiver''s IMEI',
    status LowCardinality(String) comment 'state of the message',
    jitter_ms Nullable(Float64) comment 'jitter in milliseconds',
    latency_ms Nullable(Int64) comment 'time to deliver in milliseconds',
    signal_strength_dbm Nullable(Int64) comment 'signal strength in dBm',
    amount Decimal(18, 4) comment 'price of the message',
    currency LowCardinality(String) comment 'ISO 4217 code of the amount',
    kafka_topic_id LowCardinality(String) comment 'lineage: topic id',
    kafka_partition Int32 comment 'lineage: partition',
    kafka_offset Int64 comment 'lineage: offset',
    kafka_timestamp DateTime64(6, 'UTC') comment 'lineage: Kafka''s time of the message',
    build_id Int64 comment 'build that loaded the row',
    user_no UInt32 materialized joinGetOrNull('gold.user_attributes', 'number', from_user_sk) comment 'number of from_user_sk in gold.user_versions',
    subscriber_no UInt32 materialized joinGetOrNull('gold.user_attributes', 'number', reinterpretAsUInt128(reverse(MD5(concat(from_phone_number, '|1900-01-01T00:00:00.000000Z'))))) comment 'number of the first version of from_phone_number in gold.user_versions, for bitmaps',
    user_plan LowCardinality(Nullable(String)) materialized joinGetOrNull('gold.user_attributes', 'plan_type', from_user_sk) comment 'plan_type of from_user_sk: the plan at the time',
    user_city LowCardinality(Nullable(String)) materialized joinGetOrNull('gold.user_attributes', 'city', from_user_sk) comment 'city of from_user_sk: the home city',
    -- What dashboards add up over whole hours: the sums of clickhouse/dashboard/cubes/sms.yaml, word for word.
    projection by_hour (
        select
            toStartOfHour(event_time), status, currency,
            count(),
            countIf(status = 'delivered'),
            countIf(status = 'failed'),
            sum(latency_ms),
            count(latency_ms),
            sum(jitter_ms),
            count(jitter_ms),
            sum(signal_strength_dbm),
            count(signal_strength_dbm),
            sum(amount)
        group by toStartOfHour(event_time), status, currency
    ),
    -- Plans and home cities.
    projection by_plan (
        select
            toStartOfHour(event_time), user_plan, user_city, currency,
            count(),
            countIf(status = 'delivered'),
            countIf(status = 'failed'),
            sum(latency_ms),
            count(latency_ms),
            sum(jitter_ms),
            count(jitter_ms),
            sum(signal_strength_dbm),
            count(signal_strength_dbm),
            sum(amount)
        group by toStartOfHour(event_time), user_plan, user_city, currency
    ),
    -- Different subscribers, as bitmaps.
    projection subscribers_by_plan (
        select toStartOfHour(event_time), user_plan, groupBitmapState(subscriber_no)
        group by toStartOfHour(event_time), user_plan
    ),
    projection subscribers_by_city (
        select toStartOfHour(event_time), user_city, groupBitmapState(subscriber_no)
        group by toStartOfHour(event_time), user_city
    ),
    -- Cells and handset models, without amounts, which have a currency.
    projection by_cell (
        select
            toStartOfHour(event_time), from_cell_sk,
            count(),
            countIf(status = 'delivered'),
            countIf(status = 'failed'),
            sum(latency_ms),
            count(latency_ms),
            sum(jitter_ms),
            count(jitter_ms),
            sum(signal_strength_dbm),
            count(signal_strength_dbm)
        group by toStartOfHour(event_time), from_cell_sk
    ),
    projection by_device (
        select
            toStartOfHour(event_time), from_device_sk,
            count(),
            countIf(status = 'delivered'),
            countIf(status = 'failed'),
            sum(latency_ms),
            count(latency_ms),
            sum(jitter_ms),
            count(jitter_ms),
            sum(signal_strength_dbm),
            count(signal_strength_dbm)
        group by toStartOfHour(event_time), from_device_sk
    )
)
engine = MergeTree partition by toYYYYMM(event_time) order by (toStartOfHour(event_time), status, from_cell_sk)
settings lightweight_mutation_projection_mode = 'rebuild'
comment 'Text messages (copy of iceberg gold.fact_sms)'

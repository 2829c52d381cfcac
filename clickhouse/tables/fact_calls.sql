-- Dashboards ask for a time range first, then group by type or cell: the hour leads the order. event_time must not stand in it once
-- more: ClickHouse then looks for ranges of it there alone, and reads the whole month (26.9).
create table if not exists gold.fact_calls
(
    transaction_sk UInt128 comment 'surrogate key of event type and id: its 32 hex digits as a number',
    date_sk UInt128 comment 'day of the call, in dim_date',
    time_sk UInt32 comment 'second of the day, in dim_time',
    event_time DateTime64(6, 'UTC') comment 'when the call began',
    event_type LowCardinality(String) comment 'call',
    from_user_sk UInt128 comment 'caller, in dim_user',
    to_user_sk UInt128 comment 'callee, in dim_user',
    from_device_sk UInt128 comment 'handset model of the caller, in dim_device',
    to_device_sk UInt128 comment 'handset model of the callee, in dim_device',
    from_cell_sk UInt128 comment 'cell of the caller, in dim_cell_site',
    to_cell_sk UInt128 comment 'cell of the callee, in dim_cell_site',
    call_id String comment 'id that the source gave',
    from_phone_number String comment 'caller in E.164',
    to_phone_number String comment 'callee in E.164',
    from_cell_site LowCardinality(Nullable(String)) comment 'cell of the caller',
    to_cell_site LowCardinality(Nullable(String)) comment 'cell of the callee',
    from_imei Nullable(String) comment 'handset of the caller',
    to_imei Nullable(String) comment 'handset of the callee',
    from_tac LowCardinality(Nullable(String)) comment 'first 8 digits of the caller''s IMEI',
    to_tac LowCardinality(Nullable(String)) comment 'first 8 digits of the callee''s IMEI',
    status LowCardinality(String) comment 'state of the call',
    call_duration_seconds Int64 comment 'seconds of conversation',
    amount Decimal(18, 4) comment 'price of the call',
    currency LowCardinality(String) comment 'ISO 4217 code of the amount',
    call_type LowCardinality(String) comment 'Local or International',
    mos_score Nullable(Float64) comment 'mean opinion score',
    jitter_ms Nullable(Float64) comment 'jitter in milliseconds',
    packet_loss_percent Nullable(Float64) comment 'lost packets in percent',
    kafka_topic_id LowCardinality(String) comment 'lineage: topic id',
    kafka_partition Int32 comment 'lineage: partition',
    kafka_offset Int64 comment 'lineage: offset',
    kafka_timestamp DateTime64(6, 'UTC') comment 'lineage: Kafka''s time of the message',
    build_id Int64 comment 'build that loaded the row',
    user_no UInt32 materialized joinGetOrNull('gold.user_attributes', 'number', from_user_sk) comment 'number of from_user_sk in gold.user_versions',
    subscriber_no UInt32 materialized joinGetOrNull('gold.user_attributes', 'number', reinterpretAsUInt128(reverse(MD5(concat(from_phone_number, '|1900-01-01T00:00:00.000000Z'))))) comment 'number of the first version of from_phone_number in gold.user_versions, for bitmaps',
    user_plan LowCardinality(Nullable(String)) materialized joinGetOrNull('gold.user_attributes', 'plan_type', from_user_sk) comment 'plan_type of from_user_sk: the plan at the time',
    user_city LowCardinality(Nullable(String)) materialized joinGetOrNull('gold.user_attributes', 'city', from_user_sk) comment 'city of from_user_sk: the home city',
    -- What dashboards add up over whole hours: the sums of clickhouse/dashboard/cubes/calls.yaml, word for word.
    projection by_hour (
        select
            toStartOfHour(event_time), status, call_type, currency,
            count(),
            countIf(status in ('completed', 'in-progress')),
            countIf(status = 'completed'),
            countIf(status in ('completed', 'in-progress', 'busy', 'no-answer')),
            countIf(status = 'failed'),
            countIf(status = 'failed' and call_duration_seconds > 0),
            countIf(status in ('completed', 'in-progress') or (status = 'failed' and call_duration_seconds > 0)),
            sumIf(call_duration_seconds, status = 'completed'),
            sum(call_duration_seconds),
            sum(amount),
            sum(mos_score),
            count(mos_score),
            sum(jitter_ms),
            count(jitter_ms),
            sum(packet_loss_percent),
            count(packet_loss_percent)
        group by toStartOfHour(event_time), status, call_type, currency
    ),
    -- Plans and home cities.
    projection by_plan (
        select
            toStartOfHour(event_time), user_plan, user_city, currency,
            count(),
            countIf(status in ('completed', 'in-progress')),
            countIf(status = 'completed'),
            countIf(status in ('completed', 'in-progress', 'busy', 'no-answer')),
            countIf(status = 'failed'),
            countIf(status = 'failed' and call_duration_seconds > 0),
            countIf(status in ('completed', 'in-progress') or (status = 'failed' and call_duration_seconds > 0)),
            sumIf(call_duration_seconds, status = 'completed'),
            sum(call_duration_seconds),
            sum(amount),
            sum(mos_score),
            count(mos_score),
            sum(jitter_ms),
            count(jitter_ms),
            sum(packet_loss_percent),
            count(packet_loss_percent)
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
            countIf(status in ('completed', 'in-progress')),
            countIf(status = 'completed'),
            countIf(status in ('completed', 'in-progress', 'busy', 'no-answer')),
            countIf(status = 'failed'),
            countIf(status = 'failed' and call_duration_seconds > 0),
            countIf(status in ('completed', 'in-progress') or (status = 'failed' and call_duration_seconds > 0)),
            sumIf(call_duration_seconds, status = 'completed'),
            sum(call_duration_seconds),
            sum(mos_score),
            count(mos_score),
            sum(jitter_ms),
            count(jitter_ms),
            sum(packet_loss_percent),
            count(packet_loss_percent)
        group by toStartOfHour(event_time), from_cell_sk
    ),
    projection by_device (
        select
            toStartOfHour(event_time), from_device_sk,
            count(),
            countIf(status in ('completed', 'in-progress')),
            countIf(status = 'completed'),
            countIf(status in ('completed', 'in-progress', 'busy', 'no-answer')),
            countIf(status = 'failed'),
            countIf(status = 'failed' and call_duration_seconds > 0),
            countIf(status in ('completed', 'in-progress') or (status = 'failed' and call_duration_seconds > 0)),
            sumIf(call_duration_seconds, status = 'completed'),
            sum(call_duration_seconds),
            sum(mos_score),
            count(mos_score),
            sum(jitter_ms),
            count(jitter_ms),
            sum(packet_loss_percent),
            count(packet_loss_percent)
        group by toStartOfHour(event_time), from_device_sk
    )
)
engine = MergeTree partition by toYYYYMM(event_time) order by (toStartOfHour(event_time), call_type, from_cell_sk)
settings lightweight_mutation_projection_mode = 'rebuild'
comment 'Calls (copy of iceberg gold.fact_calls)'

-- Dashboards ask for a time range first, then for what succeeded and what was paid.
create table if not exists gold.fact_payment
(
    transaction_sk UInt128 comment 'surrogate key of event type and id: its 32 hex digits as a number',
    date_sk UInt128 comment 'day of the payment in the operator''s zone, in dim_date',
    time_sk UInt32 comment 'second of the day in the operator''s zone, in dim_time',
    event_time DateTime64(6, 'UTC') comment 'when it was paid',
    event_type LowCardinality(String) comment 'payment',
    user_sk UInt128 comment 'subscriber, as valid at the payment, in dim_user',
    payment_id String comment 'id that the source gave',
    customer_phone String comment 'number of who pays in E.164',
    phone_number String comment 'number that is paid for in E.164',
    payment_type LowCardinality(String) comment 'what is paid',
    payment_amount Decimal(18, 4) comment 'amount that is paid',
    payment_method LowCardinality(String) comment 'how it is paid',
    status LowCardinality(String) comment 'state of the payment',
    transaction_id String comment 'id of the payment provider',
    amount Decimal(18, 4) comment 'amount that is billed',
    currency LowCardinality(String) comment 'ISO 4217 code of the amount',
    invoice_number Nullable(String) comment 'invoice that is paid',
    seasonal_multiplier Nullable(Float64) comment 'factor that the source applied',
    kafka_topic_id LowCardinality(String) comment 'lineage: topic id',
    kafka_partition Int32 comment 'lineage: partition',
    kafka_offset Int64 comment 'lineage: offset',
    kafka_timestamp DateTime64(6, 'UTC') comment 'lineage: Kafka''s time of the message',
    build_id Int64 comment 'build that loaded the row',
    user_no UInt32 materialized joinGetOrNull('gold.user_attributes', 'number', user_sk) comment 'number of user_sk in gold.user_versions',
    subscriber_no UInt32 materialized joinGetOrNull('gold.user_attributes', 'number', reinterpretAsUInt128(reverse(MD5(concat(phone_number, '|1900-01-01T00:00:00.000000Z'))))) comment 'number of the first version of phone_number in gold.user_versions, for bitmaps',
    user_plan LowCardinality(Nullable(String)) materialized joinGetOrNull('gold.user_attributes', 'plan_type', user_sk) comment 'plan_type of user_sk: the plan at the time',
    user_city LowCardinality(Nullable(String)) materialized joinGetOrNull('gold.user_attributes', 'city', user_sk) comment 'city of user_sk: the home city',
    -- What dashboards add up over whole hours: the sums of clickhouse/dashboard/cubes/payment.yaml, word for word.
    projection by_hour (
        select
            toStartOfHour(event_time), status, payment_type, payment_method, currency,
            count(),
            countIf(status = 'success'),
            countIf(status = 'failed'),
            countIf(status in ('success', 'failed', 'refunded')),
            sumIf(payment_amount, status = 'success')
        group by toStartOfHour(event_time), status, payment_type, payment_method, currency
    ),
    -- Plans and home cities.
    projection by_plan (
        select
            toStartOfHour(event_time), user_plan, user_city, currency,
            count(),
            countIf(status = 'success'),
            countIf(status = 'failed'),
            countIf(status in ('success', 'failed', 'refunded')),
            sumIf(payment_amount, status = 'success')
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
    )
)
engine = MergeTree partition by toYYYYMM(event_time) order by (toStartOfHour(event_time), status, payment_type)
settings lightweight_mutation_projection_mode = 'rebuild'
comment 'Payments (copy of iceberg gold.fact_payment)'

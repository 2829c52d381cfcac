-- Dashboards ask for a time range first, then by channel and agent.
create table if not exists gold.fact_support
(
    transaction_sk UInt128 comment 'surrogate key of event type and id: its 32 hex digits as a number',
    date_sk UInt128 comment 'day of the support case in the operator''s zone, in dim_date',
    time_sk UInt32 comment 'second of the day in the operator''s zone, in dim_time',
    event_time DateTime64(6, 'UTC') comment 'when the case was opened',
    event_type LowCardinality(String) comment 'support',
    user_sk UInt128 comment 'subscriber, as valid at the case, in dim_user',
    agent_sk UInt128 comment 'agent, as valid at the case, in dim_agent',
    support_id String comment 'id that the source gave',
    customer_phone String comment 'number of who asks in E.164',
    phone_number String comment 'number that is asked about in E.164',
    channel LowCardinality(String) comment 'where the case came in',
    reason LowCardinality(String) comment 'why',
    wait_time_seconds Int64 comment 'seconds until an agent answered',
    resolution_time_seconds Int64 comment 'seconds until it was resolved',
    agent_id LowCardinality(String) comment 'id of the agent',
    satisfaction_score Nullable(Int64) comment 'the customer''s score, 1 to 5',
    first_call_resolution Nullable(Bool) comment 'whether the first contact resolved it',
    escalated Nullable(Bool) comment 'whether it was escalated',
    call_back_requested Nullable(Bool) comment 'whether a call back was asked for',
    kafka_topic_id LowCardinality(String) comment 'lineage: topic id',
    kafka_partition Int32 comment 'lineage: partition',
    kafka_offset Int64 comment 'lineage: offset',
    kafka_timestamp DateTime64(6, 'UTC') comment 'lineage: Kafka''s time of the message',
    build_id Int64 comment 'build that loaded the row',
    user_no UInt32 materialized joinGetOrNull('gold.user_attributes', 'number', user_sk) comment 'number of user_sk in gold.user_versions',
    subscriber_no UInt32 materialized joinGetOrNull('gold.user_attributes', 'number', reinterpretAsUInt128(reverse(MD5(concat(phone_number, '|1900-01-01T00:00:00.000000Z'))))) comment 'number of the first version of phone_number in gold.user_versions, for bitmaps',
    user_plan LowCardinality(Nullable(String)) materialized joinGetOrNull('gold.user_attributes', 'plan_type', user_sk) comment 'plan_type of user_sk: the plan at the time',
    user_city LowCardinality(Nullable(String)) materialized joinGetOrNull('gold.user_attributes', 'city', user_sk) comment 'city of user_sk: the home city',
    -- What dashboards add up over whole hours: the sums of clickhouse/dashboard/cubes/support.yaml, word for word.
    projection by_hour (
        select
            toStartOfHour(event_time), channel, reason,
            count(),
            countIf(first_call_resolution),
            count(first_call_resolution),
            sum(wait_time_seconds),
            sum(resolution_time_seconds),
            sum(satisfaction_score),
            count(satisfaction_score),
            countIf(escalated),
            count(escalated)
        group by toStartOfHour(event_time), channel, reason
    ),
    -- Plans and home cities.
    projection by_plan (
        select
            toStartOfHour(event_time), user_plan, user_city,
            count(),
            countIf(first_call_resolution),
            count(first_call_resolution),
            sum(wait_time_seconds),
            sum(resolution_time_seconds),
            sum(satisfaction_score),
            count(satisfaction_score),
            countIf(escalated),
            count(escalated)
        group by toStartOfHour(event_time), user_plan, user_city
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
engine = MergeTree partition by toYYYYMM(event_time) order by (toStartOfHour(event_time), channel, agent_sk)
settings lightweight_mutation_projection_mode = 'rebuild'
comment 'Support cases (copy of iceberg gold.fact_support)'

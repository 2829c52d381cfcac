create table if not exists gold.dim_user
(
    user_sk UInt128 comment 'surrogate key of the version: its 32 hex digits as a number',
    phone_number Nullable(String) comment 'number in E.164; null in the unknown row',
    user_id Nullable(String) comment 'subscriber of this version',
    name Nullable(String) comment 'latest known full name',
    email Nullable(String) comment 'latest known e-mail address',
    address Nullable(String) comment 'postal address',
    city LowCardinality(Nullable(String)) comment 'home city',
    plan_type LowCardinality(Nullable(String)) comment 'tariff plan',
    gender LowCardinality(Nullable(String)) comment 'latest known gender',
    age_group LowCardinality(Nullable(String)) comment 'latest known age group',
    status LowCardinality(Nullable(String)) comment 'state of the subscription',
    activation_date Nullable(Date32) comment 'latest known day of activation',
    valid_from DateTime64(6, 'UTC') comment 'start of the version, inclusive',
    valid_to DateTime64(6, 'UTC') comment 'end of the version, exclusive',
    is_current Bool comment 'whether the version is open',
    is_inferred Bool comment 'whether only events named the number so far',
    is_deleted Bool comment 'whether the version is a deletion',
    effective_from Nullable(DateTime64(6, 'UTC')) comment 'from when the first record holds',
    updated_at Nullable(DateTime64(6, 'UTC')) comment 'greatest Kafka time of the records',
    number UInt32 materialized joinGetOrNull('gold.user_attributes', 'number', user_sk) comment 'number of the version in gold.user_versions, which facts hold as user_no'
)
engine = MergeTree order by user_sk
comment 'Subscribers, one row a version (copy of iceberg gold.dim_user)'

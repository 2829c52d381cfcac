create table if not exists gold.dim_agent
(
    agent_sk UInt128 comment 'surrogate key of the version: its 32 hex digits as a number',
    agent_id Nullable(String) comment 'id of the agent; null in the unknown row',
    name Nullable(String) comment 'latest known full name',
    department LowCardinality(Nullable(String)) comment 'department',
    email Nullable(String) comment 'latest known e-mail address',
    city LowCardinality(Nullable(String)) comment 'latest known city',
    status LowCardinality(Nullable(String)) comment 'state of the agent',
    valid_from DateTime64(6, 'UTC') comment 'start of the version, inclusive',
    valid_to DateTime64(6, 'UTC') comment 'end of the version, exclusive',
    is_current Bool comment 'whether the version is open',
    is_inferred Bool comment 'whether only events named the agent so far',
    is_deleted Bool comment 'whether the version is a deletion',
    effective_from Nullable(DateTime64(6, 'UTC')) comment 'from when the first record holds',
    updated_at Nullable(DateTime64(6, 'UTC')) comment 'greatest Kafka time of the records'
)
engine = MergeTree order by agent_sk
comment 'Support agents, one row a version (copy of iceberg gold.dim_agent)'

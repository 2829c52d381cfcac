-- A number for each version of a subscriber, given once and for good, and what of it facts hold, each time it changed
-- (lakehouse/copies/numbers.py). The row of the highest turn counts.
create table if not exists gold.user_versions
(
    user_sk UInt128 comment 'surrogate key of the version, in dim_user',
    number UInt32 comment 'from 1, without gaps',
    plan_type LowCardinality(Nullable(String)) comment 'tariff plan',
    city LowCardinality(Nullable(String)) comment 'home city',
    turn Int64 comment 'counts the times at which rows were written; gold.copies says up to which one a copy has them'
)
engine = MergeTree order by user_sk
settings fsync_after_insert = 1, fsync_part_directory = 1
comment 'Versions of subscribers, numbered'

-- A number for each version of a subscriber, given once and for good (lakehouse/copies/numbers.py).
create table if not exists gold.user_numbers
(
    user_sk UInt128 comment 'surrogate key of the version, in dim_user',
    number UInt32 comment 'from 1, without gaps'
)
engine = MergeTree order by user_sk
settings fsync_after_insert = 1, fsync_part_directory = 1
comment 'Versions of subscribers, numbered'

-- The same once more in memory, where rows find it while they are copied. It is filled from the record whenever the two differ.
create table if not exists gold.user_lookup
(
    user_sk UInt128 comment 'surrogate key of the version, in dim_user',
    number UInt32 comment 'as in gold.user_numbers'
)
engine = Join(any, left, user_sk) settings persistent = 0
comment 'Versions of subscribers, numbered, for joinGet'

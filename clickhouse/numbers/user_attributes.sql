-- What counts of gold.user_versions, in memory, where rows find it while they are copied. It is filled whenever the two differ.
create table if not exists gold.user_attributes
(
    user_sk UInt128 comment 'surrogate key of the version, in dim_user',
    number UInt32 comment 'as in gold.user_versions',
    plan_type LowCardinality(Nullable(String)) comment 'tariff plan',
    city LowCardinality(Nullable(String)) comment 'home city'
)
engine = Join(any, left, user_sk) settings persistent = 0, join_any_take_last_row = 1
comment 'Versions of subscribers with what facts hold of them, for joinGet'

create table if not exists gold.dim_date
(
    date_sk UInt128 comment 'surrogate key: its 32 hex digits as a number',
    date_value Date32 comment 'the day',
    year UInt16 comment 'calendar year',
    quarter UInt8 comment '1 to 4',
    month UInt8 comment '1 to 12',
    month_name LowCardinality(String) comment 'January to December',
    day UInt8 comment 'day of the month',
    day_of_week LowCardinality(String) comment 'Monday to Sunday',
    iso_week UInt8 comment 'week of the ISO 8601 year',
    is_weekend Bool comment 'whether the operator calls it weekend'
)
engine = MergeTree order by date_sk
comment 'Calendar (copy of iceberg gold.dim_date)'

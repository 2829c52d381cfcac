create table if not exists gold.dim_time
(
    time_sk UInt32 comment 'hour * 10000 + minute * 100 + second',
    hour UInt8 comment '0 to 23',
    minute UInt8 comment '0 to 59',
    second UInt8 comment '0 to 59',
    time_period Enum8('night' = 1, 'morning' = 2, 'afternoon' = 3, 'evening' = 4) comment 'part of the day'
)
engine = MergeTree order by time_sk
comment 'Time of day (copy of iceberg gold.dim_time)'

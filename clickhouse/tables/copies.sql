-- What the copies hold: one row each time a table was copied, the newest counts. Table '*' closes a build: all are there.
create table if not exists gold.copies
(
    table_name LowCardinality(String) comment 'table that was copied; * when all of the build are',
    build_id Int64 comment 'build that the copy holds, with all before it',
    snapshot_id Int64 comment 'Iceberg snapshot of the gold table that was copied; 0 for *',
    row_count Int64 comment 'rows that were written',
    copied_at DateTime64(3, 'UTC') default now64(3) comment 'when'
)
engine = MergeTree order by (table_name, build_id)
comment 'Which build and snapshot each copy holds'

-- Up to which turn of gold.user_versions the rows of a copy have what it says of subscribers; the highest counts.
create table if not exists gold.user_turns
(
    table_name LowCardinality(String) comment 'copy of a fact',
    turn Int64 comment 'turn of gold.user_versions'
)
engine = MergeTree order by (table_name, turn)
comment 'Which turn of gold.user_versions each copy has'

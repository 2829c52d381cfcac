create table if not exists gold.dim_cell_site
(
    cell_sk UInt128 comment 'surrogate key of the version: its 32 hex digits as a number',
    cell_id Nullable(String) comment 'id of the cell; null in the unknown row',
    site_name Nullable(String) comment 'latest known name of the site',
    city LowCardinality(Nullable(String)) comment 'latest known city',
    region LowCardinality(Nullable(String)) comment 'region',
    latitude Nullable(Float64) comment 'degrees north',
    longitude Nullable(Float64) comment 'degrees east',
    valid_from DateTime64(6, 'UTC') comment 'start of the version, inclusive',
    valid_to DateTime64(6, 'UTC') comment 'end of the version, exclusive',
    is_current Bool comment 'whether the version is open',
    is_inferred Bool comment 'whether only events named the cell so far',
    is_deleted Bool comment 'whether the version is a deletion',
    effective_from Nullable(DateTime64(6, 'UTC')) comment 'from when the first record holds',
    updated_at Nullable(DateTime64(6, 'UTC')) comment 'greatest Kafka time of the records'
)
engine = MergeTree order by cell_sk
comment 'Cell sites, one row a version (copy of iceberg gold.dim_cell_site)'

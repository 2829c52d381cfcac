-- grain: one row a cell site and version; Type 2 on region, latitude, longitude; Type 1 on the rest
-- reads: silver.cell_sites, and silver facts for cells that no record names
-- incremental: the whole history of every touched cell, merged by cell_sk
{% set type_2 = ["region", "latitude", "longitude"] -%}
{% set all = ["site_name", "city", "region", "latitude", "longitude"] -%}
with touched as (
    {{ touched("cell_id") }}
),
{{ records("cell_sites", "cell_id", all) }},
{{ versions("cell_id", type_2) }},
members as (
    select v.cell_id,
        if(v.is_deleted, null, l.site_name) as site_name,
        if(v.is_deleted, null, l.city) as city,
        v.region,
        v.latitude,
        v.longitude,
        v.valid_from, v.valid_to, false as is_inferred, v.is_deleted, v.effective_from, k.updated_at
    from versions v
    join known k on k.cell_id = v.cell_id
    left join latest l on l.cell_id = v.cell_id
    union all
    select cell_id, null, null, null, null, null, {{ beginning() }}, {{ open_end() }}, true, false, null, null
    from inferred
)
select {{ sk("cell_id", instant_text("valid_from")) }} as cell_sk,
    cell_id, site_name, city, region, latitude, longitude,
    valid_from, valid_to, valid_to = {{ open_end() }} as is_current, is_inferred, is_deleted, effective_from, updated_at
from members
union all
select {{ unknown_sk() }}, null, null, null, null, null, null,
    {{ beginning() }}, {{ open_end() }}, true, false, false, null, null

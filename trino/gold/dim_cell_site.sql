-- grain: one row a cell site and version; Type 2 on region, latitude, longitude; Type 1 on the rest
-- reads: silver.cell_sites, and silver facts for cells that no record names
-- incremental: the whole history of every touched cell, merged by cell_sk
{% set type_2 = ["region", "latitude", "longitude"] -%}
{% set type_1 = ["site_name", "city"] -%}
with touched as (
    {{ touched("cell_id") }}
),
{{ counting("cell_sites", "cell_id", type_2 + type_1, type_1) }},
{{ versions("cell_id", type_2, type_1) }}
select {{ sk("cell_id", instant_text("valid_from")) }} as cell_sk,
    cell_id, site_name, city, region, latitude, longitude,
    valid_from, valid_to, valid_to = {{ open_end() }} as is_current, is_inferred, is_deleted, effective_from, updated_at
from versions
union all
select {{ unknown_sk() }}, null, null, null, null, null, null,
    {{ beginning() }}, {{ open_end() }}, true, false, false, null, null

-- grain: one row a type allocation code (Type 1)
-- reads: silver.devices, and silver facts for codes that no record names
-- incremental: every touched code as a whole, merged by device_sk
{% set type_1 = ["brand", "model", "os_version", "is_smartphone"] -%}
with touched as (
    {{ touched("tac") }}
),
{{ counting("devices", "tac", type_1, type_1) }},
last_records as (
    select *, row_number() over (partition by tac order by effective_from desc) as back from counting
)
select {{ sk("tac") }} as device_sk, tac,
    latest_brand as brand, latest_model as model, latest_os_version as os_version, latest_is_smartphone as is_smartphone,
    is_inferred, is_deleted, effective_from, updated_at
from last_records
where back = 1
union all
select {{ unknown_sk() }}, null, null, null, null, null, false, false, null, null

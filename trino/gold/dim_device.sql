-- grain: one row a type allocation code (Type 1)
-- reads: silver.devices, and silver facts for codes that no record names
-- incremental: every touched code as a whole, merged by device_sk
{% set all = ["brand", "model", "os_version", "is_smartphone"] -%}
with touched as (
    {{ touched("tac") }}
),
{{ records("devices", "tac", all) }},
last_records as (
    select tac, is_deleted, effective_from from (
        select *, row_number() over (partition by tac order by effective_from desc) as back from counting
    ) where back = 1
),
members as (
    select r.tac, l.brand, l.model, l.os_version, l.is_smartphone,
        false as is_inferred, r.is_deleted, r.effective_from, k.updated_at
    from last_records r
    join known k on k.tac = r.tac
    left join latest l on l.tac = r.tac
    union all
    select tac, null, null, null, null, true, false, null, null from inferred
)
select {{ sk("tac") }} as device_sk, tac, brand, model, os_version, is_smartphone,
    is_inferred, is_deleted, effective_from, updated_at
from members
union all
select {{ unknown_sk() }}, null, null, null, null, null, false, false, null, null

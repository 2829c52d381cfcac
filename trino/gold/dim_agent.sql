-- grain: one row an agent and version; Type 2 on department, status; Type 1 on the rest
-- reads: silver.agents, and silver facts for agents that no record names
-- incremental: the whole history of every touched agent, merged by agent_sk
{% set type_2 = ["department", "status"] -%}
{% set type_1 = ["name", "email", "city"] -%}
with touched as (
    {{ touched("agent_id") }}
),
{{ counting("agents", "agent_id", type_2 + type_1, type_1) }},
{{ versions("agent_id", type_2, type_1) }}
select {{ sk("agent_id", instant_text("valid_from")) }} as agent_sk,
    agent_id, name, department, email, city, status,
    valid_from, valid_to, valid_to = {{ open_end() }} as is_current, is_inferred, is_deleted, effective_from, updated_at
from versions
union all
select {{ unknown_sk() }}, null, null, null, null, null, null,
    {{ beginning() }}, {{ open_end() }}, true, false, false, null, null

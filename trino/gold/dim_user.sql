-- grain: one row a subscriber and version; Type 2 on user_id, plan_type, status, address, city; Type 1 on the rest
-- reads: silver.users, and silver facts for numbers that no record names
-- incremental: the whole history of every touched number, merged by user_sk
{% set type_2 = ["user_id", "plan_type", "status", "address", "city"] -%}
{% set type_1 = ["name", "email", "gender", "age_group", "activation_date"] -%}
with touched as (
    {{ touched("phone_number") }}
),
{{ counting("users", "phone_number", type_2 + type_1, type_1) }},
{{ versions("phone_number", type_2, type_1) }}
select {{ sk("phone_number", instant_text("valid_from")) }} as user_sk,
    phone_number, user_id, name, email, address, city, plan_type, gender, age_group, status, activation_date,
    valid_from, valid_to, valid_to = {{ open_end() }} as is_current, is_inferred, is_deleted, effective_from, updated_at
from versions
union all
select {{ unknown_sk() }}, null, null, null, null, null, null, null, null, null, null, null,
    {{ beginning() }}, {{ open_end() }}, true, false, false, null, null

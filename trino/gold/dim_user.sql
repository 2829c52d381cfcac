-- grain: one row a subscriber and version; Type 2 on user_id, plan_type, status, address, city; Type 1 on the rest
-- reads: silver.users, and silver facts for numbers that no record names
-- incremental: the whole history of every touched number, merged by user_sk
{% set type_2 = ["user_id", "plan_type", "status", "address", "city"] -%}
{% set all = ["user_id", "name", "email", "address", "city", "plan_type", "gender", "age_group", "status", "activation_date"] -%}
with touched as (
    {{ touched("phone_number") }}
),
{{ records("users", "phone_number", all) }},
{{ versions("phone_number", type_2) }},
members as (
    select v.phone_number,
        v.user_id,
        if(v.is_deleted, null, l.name) as name,
        if(v.is_deleted, null, l.email) as email,
        v.address,
        v.city,
        v.plan_type,
        if(v.is_deleted, null, l.gender) as gender,
        if(v.is_deleted, null, l.age_group) as age_group,
        v.status,
        if(v.is_deleted, null, l.activation_date) as activation_date,
        v.valid_from, v.valid_to, false as is_inferred, v.is_deleted, v.effective_from, k.updated_at
    from versions v
    join known k on k.phone_number = v.phone_number
    left join latest l on l.phone_number = v.phone_number
    union all
    select phone_number, null, null, null, null, null, null, null, null, null, null,
        {{ beginning() }}, {{ open_end() }}, true, false, null, null
    from inferred
)
select {{ sk("phone_number", instant_text("valid_from")) }} as user_sk,
    phone_number, user_id, name, email, address, city, plan_type, gender, age_group, status, activation_date,
    valid_from, valid_to, valid_to = {{ open_end() }} as is_current, is_inferred, is_deleted, effective_from, updated_at
from members
union all
select {{ unknown_sk() }}, null, null, null, null, null, null, null, null, null, null, null,
    {{ beginning() }}, {{ open_end() }}, true, false, false, null, null

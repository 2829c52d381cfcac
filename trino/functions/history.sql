{#- Common table expressions for the history of reference records (model.md, "History of a key"). They build on a CTE
    `touched` with one column, the key. Each record is read once: all else are windows, since Trino plans a CTE anew at each
    mention (a version with joins spent 2.5 s of 7 s in planning). -#}

{#- `counting`: the records that count (the last at each effective instant), each with `updated_at` of its key and the key's
    Type 1 values (`latest_…`: of the last record that is no tombstone). A key without records has one row, `is_inferred`. -#}
{% macro counting(source, key, columns, type_1) -%}
ranked as (
    select t.{{ key }}, {% for c in columns %}r.{{ c }}, {% endfor %}
        coalesce(r.is_deleted, false) as is_deleted, r.effective_from, r.kafka_offset is null as is_inferred,
        max(r.kafka_timestamp) over (partition by t.{{ key }}) as updated_at,
        row_number() over (
            partition by t.{{ key }}, r.effective_from
            order by r.kafka_timestamp desc, r.kafka_partition desc, r.kafka_offset desc
        ) as place
    from touched t
    left join {{ upto(source) }} r on r.{{ key }} = t.{{ key }}
),
counting as (
    select *
        {%- for c in type_1 %},
        max_by({{ c }}, if(is_deleted, null, effective_from)) over (partition by {{ key }}) as latest_{{ c }}
        {%- endfor %}
    from ranked
    where place = 1
)
{%- endmacro %}

{#- `versions` by Type 2 attributes: neighbours that agree in them and in `is_deleted` are one; the first begins with time. -#}
{% macro versions(key, type_2, type_1) -%}
compared as (
    select *,
        lag(is_deleted) over history is null
        {%- for c in type_2 + ["is_deleted"] %}
        or {{ c }} is distinct from lag({{ c }}) over history
        {%- endfor %} as begins
    from counting
    window history as (partition by {{ key }} order by effective_from)
),
versions as (
    select {{ key }}, {% for c in type_2 %}{{ c }}, {% endfor %}
        {%- for c in type_1 %}if(is_deleted, null, latest_{{ c }}) as {{ c }}, {% endfor %}
        if(lag(is_deleted) over history is null, {{ beginning() }}, effective_from) as valid_from,
        coalesce(lead(effective_from) over history, {{ open_end() }}) as valid_to,
        is_inferred, is_deleted, effective_from, updated_at
    from compared
    where begins
    window history as (partition by {{ key }} order by effective_from)
)
{%- endmacro %}

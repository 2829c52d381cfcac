{#- Common table expressions for the history of reference records (model.md, "History of a key").
    They build on a CTE `touched` with one column, the key, and end in these:
      records    all accepted records of the touched keys up to the build's cut
      counting   those that count: the last at each effective instant
      latest     one row a key: its Type 1 attributes, those of the last counting record that is no tombstone
      known      one row a key: the greatest Kafka time of its records
      inferred   touched keys without any record -#}

{% macro records(source, key, columns) -%}
records as (
    select {{ key }}, {{ columns | join(", ") }}, is_deleted, effective_from, kafka_timestamp, kafka_partition, kafka_offset
    from {{ upto(source) }}
    where {{ key }} in (select {{ key }} from touched)
),
counting as (
    select * from (
        select *, row_number() over (
            partition by {{ key }}, effective_from order by kafka_timestamp desc, kafka_partition desc, kafka_offset desc
        ) as place
        from records
    ) where place = 1
),
latest as (
    select {{ key }}, {{ columns | join(", ") }} from (
        select *, row_number() over (partition by {{ key }} order by effective_from desc) as back
        from counting where not is_deleted
    ) where back = 1
),
known as (
    select {{ key }}, max(kafka_timestamp) as updated_at from records group by {{ key }}
),
inferred as (
    select {{ key }} from touched where {{ key }} not in (select {{ key }} from records)
)
{%- endmacro %}

{#- Versions by Type 2 attributes: neighbours that agree in them are one, the first begins with time. Ends in the CTE
    `versions`: the key, the tracked attributes, is_deleted, effective_from, valid_from, valid_to. -#}
{% macro versions(key, tracked) -%}
compared as (
    select *,
        lag(effective_from) over history is null
        {%- for column in tracked + ["is_deleted"] %}
        or {{ column }} is distinct from lag({{ column }}) over history
        {%- endfor %} as begins
    from counting
    window history as (partition by {{ key }} order by effective_from)
),
firsts as (
    select * from compared where begins
),
versions as (
    select {{ key }}, {{ tracked | join(", ") }}, is_deleted, effective_from,
        if(lag(effective_from) over history is null, {{ beginning() }}, effective_from) as valid_from,
        coalesce(lead(effective_from) over history, {{ open_end() }}) as valid_to
    from firsts
    window history as (partition by {{ key }} order by effective_from)
)
{%- endmacro %}

{#- How a fact finds the members that it points to, from the foreign keys of its description (model.md, "Facts"). Rows are
    first given the business keys (`keyed`), then joined to the dimensions (`joins`); `keys` are the columns that come of it. -#}

{% macro keyed(relation) -%}
select *{% for m in members %}, {{ m.key }} as {{ m.alias }}_key{% endfor %}
    from {{ relation }}
{%- endmacro %}

{#- Of a Type 2 dimension the version valid at `event_time`; a null business key is the unknown row. -#}
{% macro key_of(m, rows) -%}
if({{ rows }}.{{ m.alias }}_key is null, {{ unknown_sk() }}, {{ m.alias }}.{{ m.surrogate_key }})
{%- endmacro %}

{% macro keys(rows) -%}
{% for m in members %}{{ key_of(m, rows) }} as {{ m.column }}{{ ",\n    " if not loop.last }}{% endfor %}
{%- endmacro %}

{% macro joins(rows) -%}
{% for m in members -%}
left join {{ gold(m.dimension) }} {{ m.alias }} on {{ m.alias }}.{{ m.business_key }} = {{ rows }}.{{ m.alias }}_key
{%- if m.has_history %}
    and {{ rows }}.event_time >= {{ m.alias }}.valid_from and {{ rows }}.event_time < {{ m.alias }}.valid_to
{%- endif %}
{% endfor %}
{%- endmacro %}

{#- What every fact ends with: the lineage of its silver row, and the build. -#}
{% macro lineage(rows) -%}
{{ rows }}.kafka_topic_id,
    {{ rows }}.kafka_partition,
    {{ rows }}.kafka_offset,
    {{ rows }}.kafka_timestamp,
    bigint '{{ build_id }}' as build_id
{%- endmacro %}

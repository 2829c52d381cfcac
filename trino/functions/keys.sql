{#- Macros that every gold model shares. Rendered by lakehouse/gold/models.py. -#}

{#- 32 hex digits: lower-case MD5 of the parts joined by '|' (model.md, "Keys"). Null if a part is. -#}
{% macro sk() -%}
lower(to_hex(md5(to_utf8({{ varargs | join(" || '|' || ") }}))))
{%- endmacro %}

{#- An instant as a key writes it: yyyy-MM-ddTHH:mm:ss.SSSSSSZ, in UTC. -#}
{% macro instant_text(instant) -%}
replace(cast(cast({{ instant }} at time zone 'UTC' as timestamp(6)) as varchar), ' ', 'T') || 'Z'
{%- endmacro %}

{#- The key of the unknown row: MD5 of the empty string. -#}
{% macro unknown_sk() -%}
'd41d8cd98f00b204e9800998ecf8427e'
{%- endmacro %}

{% macro date_sk(instant) -%}
{{ sk("cast(cast(" ~ instant ~ " at time zone '" ~ time_zone ~ "' as date) as varchar)") }}
{%- endmacro %}

{% macro time_sk(instant) -%}
{% set local = instant ~ " at time zone '" ~ time_zone ~ "'" -%}
cast(hour({{ local }}) * 10000 + minute({{ local }}) * 100 + second({{ local }}) as integer)
{%- endmacro %}

{% macro beginning() -%}
timestamp '1900-01-01 00:00:00.000000 UTC'
{%- endmacro %}

{% macro open_end() -%}
timestamp '9999-12-31 00:00:00.000000 UTC'
{%- endmacro %}

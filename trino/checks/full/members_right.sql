-- severity: fail
-- for: fact with keys
-- says: every fact points to the member of its business key, in the version valid at its time
select count(*) from (
    {{ keyed(gold(table)) }}
) e
{{ joins("e") }}
where {% for m in members %}e.{{ m.column }} is distinct from {{ key_of(m, "e") }}{{ "\n    or " if not loop.last }}{% endfor %}

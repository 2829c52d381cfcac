-- severity: fail
-- for: fact
-- says: every row of the build points to a member of each of its dimensions
select count(*) from {{ gold(table) }}
where build_id = {{ build_id }} and ({% for fk in foreign_keys %}{{ fk.column }} is null{{ " or " if not loop.last }}{% endfor %})

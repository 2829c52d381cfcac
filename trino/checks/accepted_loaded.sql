-- severity: fail
-- for: fact
-- says: the build loaded as many rows as silver accepted between its offsets
select abs((select count(*) from {{ new_by_offsets(reads) }}) - (select count(*) from {{ gold(table) }} where build_id = {{ build_id }}))

-- Which cells do calls name that no reference record knows?
-- param since date = today-7: first day, in UTC
--
-- Redis says what is known now. A cell whose record came after its calls is not listed, though those calls carry a warning.
with named as (
    select from_cell_site as cell_id, event_time, quality_warnings, 'from_cell_site' as field
    from iceberg.silver.calls
    where not is_rejected and event_time >= cast(:since as timestamp(6) with time zone)
    union all
    select to_cell_site, event_time, quality_warnings, 'to_cell_site'
    from iceberg.silver.calls
    where not is_rejected and event_time >= cast(:since as timestamp(6) with time zone)
)
select n.cell_id,
    count(*) as calls,
    count_if(contains(n.quality_warnings, 'unknown:' || n.field)) as with_warning,
    min(n.event_time) as first_call,
    max(n.event_time) as last_call
from named n
left join redis.default.cell_sites s on s.cell_id = n.cell_id
where n.cell_id is not null and s.cell_id is null
group by n.cell_id
order by calls desc, n.cell_id

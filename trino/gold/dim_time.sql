-- grain: one row a second of the day
-- reads: nothing, it is generated
-- incremental: the same rows each time
select cast(h * 10000 + m * 100 + s as integer) as time_sk,
    cast(h as integer) as hour,
    cast(m as integer) as minute,
    cast(s as integer) as second,
    case when h < 6 then 'night' when h < 12 then 'morning' when h < 18 then 'afternoon' else 'evening' end as time_period
from unnest(sequence(0, 23)) as hours (h)
cross join unnest(sequence(0, 59)) as minutes (m)
cross join unnest(sequence(0, 59)) as seconds (s)

-- grain: one row a calendar day, 2019-12-31 to 2035-12-31
-- reads: nothing, it is generated
-- incremental: the same rows each time
with days as (
    select d from unnest(sequence(date '2019-12-31', date '2035-12-31')) as t (d)
)
select {{ sk("cast(d as varchar)") }} as date_sk,
    d as date_value,
    cast(year(d) as integer) as year,
    cast(quarter(d) as integer) as quarter,
    cast(month(d) as integer) as month,
    date_format(cast(d as timestamp), '%M') as month_name,
    cast(day(d) as integer) as day,
    date_format(cast(d as timestamp), '%W') as day_of_week,
    cast(week(d) as integer) as iso_week,
    date_format(cast(d as timestamp), '%W') in ({{ weekend }}) as is_weekend
from days

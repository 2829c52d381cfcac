-- severity: fail
-- for: fact
-- says: every fact points to its day and its second
select count(*) from {{ gold(table) }} f
left join {{ gold("dim_date") }} d on d.date_sk = f.date_sk
left join {{ gold("dim_time") }} t on t.time_sk = f.time_sk
where d.date_sk is null or t.time_sk is null
    or f.date_sk <> {{ date_sk("f.event_time") }}
    or f.time_sk <> {{ time_sk("f.event_time") }}

-- Which customers with a contract in the CRM had support cases, and who looks after them? (needs a catalog `postgresql`)
-- param since date = today-30: first day of the cases, in UTC
--
-- An example of a table of yours: crm.account(phone_number, segment, account_manager) in the catalog of
-- trino/etc/catalog/postgresql.properties.example.
select a.account_manager,
    a.segment,
    count(*) as cases,
    count(distinct s.phone_number) as customers,
    count_if(s.escalated) as escalated,
    round(avg(s.satisfaction_score), 2) as satisfaction
from iceberg.gold.fact_support s
join postgresql.crm.account a on a.phone_number = s.phone_number
where s.event_time >= cast(:since as timestamp(6) with time zone)
group by a.account_manager, a.segment
order by cases desc, a.account_manager, a.segment

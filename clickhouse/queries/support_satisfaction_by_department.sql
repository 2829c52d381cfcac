-- Support satisfaction by department of the agent at the time
select ifNull(a.department, 'unknown') as department, count() as cases, count(f.satisfaction_score) as scored,
    round(sum(f.satisfaction_score) / nullIf(scored, 0), 2) as satisfaction,
    round(sum(f.wait_time_seconds) / cases / 60, 1) as wait_minutes
from gold.fact_support as f
join gold.dim_agent as a on a.agent_sk = f.agent_sk
group by department
order by cases desc, department
limit 12

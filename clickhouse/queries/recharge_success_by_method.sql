-- Recharges by method: how many of the decided ones succeeded
select f.payment_method as method, count() as recharges,
    countIf(f.status = 'success') as succeeded, countIf(f.status = 'failed') as failed,
    recharges - succeeded - failed as undecided,
    round(100 * succeeded / nullIf(succeeded + failed, 0), 1) as success_percent
from gold.fact_recharge as f
group by method
order by recharges desc, method
limit 12

-- grain: one row an accepted recharge
-- reads: silver.recharge, dim_user
-- incremental: the accepted rows between the last build's offsets and this one's, appended with the build's id
with events as (
    {{ keyed(new("recharge")) }}
)
select {{ sk("e.event_type", "e.event_id") }} as transaction_sk,
    {{ date_sk("e.event_time") }} as date_sk,
    {{ time_sk("e.event_time") }} as time_sk,
    e.event_time,
    e.event_type,
    {{ keys("e") }},
    e.event_id as recharge_id,
    e.transaction_id,
    e.customer,
    e.phone_number,
    e.balance_before,
    e.balance_after,
    e.recharge_amount,
    e.amount,
    e.currency,
    e.payment_method,
    e.status,
    {{ lineage("e") }}
from events e
{{ joins("e") }}

-- grain: one row an accepted payment
-- reads: silver.payment, dim_user
-- incremental: the accepted rows between the last build's offsets and this one's, appended with the build's id
with events as (
    {{ keyed(new("payment")) }}
)
select {{ sk("e.event_type", "e.event_id") }} as transaction_sk,
    {{ date_sk("e.event_time") }} as date_sk,
    {{ time_sk("e.event_time") }} as time_sk,
    e.event_time,
    e.event_type,
    {{ keys("e") }},
    e.event_id as payment_id,
    e.customer as customer_phone,
    e.phone_number,
    e.payment_type,
    e.payment_amount,
    e.payment_method,
    e.status,
    e.transaction_id,
    e.amount,
    e.currency,
    e.invoice_number,
    e.seasonal_multiplier,
    {{ lineage("e") }}
from events e
{{ joins("e") }}

-- grain: one row an accepted support case
-- reads: silver.support, dim_user, dim_agent
-- incremental: the accepted rows between the last build's offsets and this one's, appended with the build's id
with events as (
    {{ keyed(new("support")) }}
)
select {{ sk("e.event_type", "e.event_id") }} as transaction_sk,
    {{ date_sk("e.event_time") }} as date_sk,
    {{ time_sk("e.event_time") }} as time_sk,
    e.event_time,
    e.event_type,
    {{ keys("e") }},
    e.event_id as support_id,
    e.customer as customer_phone,
    e.phone_number,
    e.channel,
    e.reason,
    e.wait_time_seconds,
    e.resolution_time_seconds,
    e.agent_id,
    e.satisfaction_score,
    e.first_call_resolution,
    e.escalated,
    e.call_back_requested,
    {{ lineage("e") }}
from events e
{{ joins("e") }}

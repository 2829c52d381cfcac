-- grain: one row an accepted call
-- reads: silver.calls, dim_user, dim_device, dim_cell_site
-- incremental: the accepted rows between the last build's offsets and this one's, appended with the build's id
with events as (
    {{ keyed(new("calls")) }}
)
select {{ sk("e.event_type", "e.event_id") }} as transaction_sk,
    {{ date_sk("e.event_time") }} as date_sk,
    {{ time_sk("e.event_time") }} as time_sk,
    e.event_time,
    e.event_type,
    {{ keys("e") }},
    e.event_id as call_id,
    e.from_phone_number,
    e.to_phone_number,
    e.from_cell_site,
    e.to_cell_site,
    e.from_imei,
    e.to_imei,
    e.from_device_key as from_tac,
    e.to_device_key as to_tac,
    e.status,
    e.call_duration_seconds,
    e.amount,
    e.currency,
    e.call_type,
    e.mos_score,
    e.jitter_ms,
    e.packet_loss_percent,
    {{ lineage("e") }}
from events e
{{ joins("e") }}

-- grain: one row an accepted call
-- reads: silver.calls, dim_user, dim_device, dim_cell_site
-- incremental: the accepted rows between the last build's offsets and this one's, appended with the build's id
with new_calls as (
    select *, substr(from_imei, 1, 8) as from_type_code, substr(to_imei, 1, 8) as to_type_code
    from {{ new("calls") }}
)
select {{ sk("c.event_type", "c.event_id") }} as transaction_sk,
    {{ date_sk("c.event_time") }} as date_sk,
    {{ time_sk("c.event_time") }} as time_sk,
    c.event_time,
    c.event_type,
    from_user.user_sk as from_user_sk,
    to_user.user_sk as to_user_sk,
    if(c.from_type_code is null, {{ unknown_sk() }}, from_device.device_sk) as from_device_sk,
    if(c.to_type_code is null, {{ unknown_sk() }}, to_device.device_sk) as to_device_sk,
    if(c.from_cell_site is null, {{ unknown_sk() }}, from_cell.cell_sk) as from_cell_sk,
    if(c.to_cell_site is null, {{ unknown_sk() }}, to_cell.cell_sk) as to_cell_sk,
    c.event_id as call_id,
    c.from_phone_number,
    c.to_phone_number,
    c.from_cell_site,
    c.to_cell_site,
    c.from_imei,
    c.to_imei,
    c.from_type_code as from_tac,
    c.to_type_code as to_tac,
    c.status,
    c.call_duration_seconds,
    c.amount,
    c.currency,
    c.call_type,
    c.mos_score,
    c.jitter_ms,
    c.packet_loss_percent,
    c.kafka_topic_id,
    c.kafka_partition,
    c.kafka_offset,
    c.kafka_timestamp,
    bigint '{{ build_id }}' as build_id
from new_calls c
left join {{ gold("dim_user") }} from_user on from_user.phone_number = c.from_phone_number
    and c.event_time >= from_user.valid_from and c.event_time < from_user.valid_to
left join {{ gold("dim_user") }} to_user on to_user.phone_number = c.to_phone_number
    and c.event_time >= to_user.valid_from and c.event_time < to_user.valid_to
left join {{ gold("dim_device") }} from_device on from_device.tac = c.from_type_code
left join {{ gold("dim_device") }} to_device on to_device.tac = c.to_type_code
left join {{ gold("dim_cell_site") }} from_cell on from_cell.cell_id = c.from_cell_site
    and c.event_time >= from_cell.valid_from and c.event_time < from_cell.valid_to
left join {{ gold("dim_cell_site") }} to_cell on to_cell.cell_id = c.to_cell_site
    and c.event_time >= to_cell.valid_from and c.event_time < to_cell.valid_to

-- The rival as an expert tunes it: one Flink SQL job, chained from Kafka's source to Iceberg's writer. bench/flink.py fills in
-- the names. No secret stands here: Flink prints each statement.
SET 'execution.target' = 'local';
SET 'execution.runtime-mode' = 'streaming';
SET 'table.dml-sync' = 'true';
SET 'parallelism.default' = '${parallelism}';
SET 'taskmanager.numberOfTaskSlots' = '${parallelism}';
-- rows are handed from operator to operator as they are, not copied
SET 'pipeline.object-reuse' = 'true';
SET 'execution.checkpointing.interval' = '${checkpoint_ms} ms';
SET 'execution.checkpointing.mode' = 'EXACTLY_ONCE';
-- the state is offsets and names of files; there is nothing to sort or join, so memory is the heap's
SET 'taskmanager.memory.managed.size' = '1 mb';
-- Iceberg's newer sink: no dearer, and often a checkpoint sooner at the end
SET 'table.exec.iceberg.use-v2-sink' = 'true';
SET 'security.delegation.tokens.enabled' = 'false';

CREATE CATALOG lake WITH (
    'type' = 'iceberg',
    'catalog-type' = 'rest',
    'uri' = ${catalog_url},
    'oauth2-server-uri' = ${token_url},
    'warehouse' = ${warehouse},
    'credential' = 'env:BENCH_CATALOG_CREDENTIAL',
    'io-impl' = 'org.apache.iceberg.aws.s3.S3FileIO',
    'client.region' = ${s3_region},
    's3.endpoint' = ${s3_endpoint},
    's3.path-style-access' = 'true',
    's3.access-key-id' = 'env:BENCH_S3_KEY',
    's3.secret-access-key' = 'env:BENCH_S3_SECRET'
);

CREATE DATABASE IF NOT EXISTS lake.`${namespace}`;

CREATE TABLE IF NOT EXISTS lake.`${namespace}`.`${table}` (
    event_type STRING,
    sid STRING,
    call_duration_seconds BIGINT,
    status STRING,
    call_type STRING,
    phone_number STRING,
    customer STRING,
    behavior_profile STRING,
    fraud_indicator STRING,
    risk_score BIGINT,
    seasonal_multiplier DOUBLE,
    from_phone_number STRING,
    from_cell_site STRING,
    from_imei STRING,
    to_phone_number STRING,
    to_cell_site STRING,
    to_imei STRING,
    amount DOUBLE,
    currency STRING,
    mos_score DOUBLE,
    jitter_ms DOUBLE,
    packet_loss_percent DOUBLE,
    codec STRING,
    event_time TIMESTAMP(6),
    rejection_reason STRING
) WITH (
    'format-version' = '2',
    'write.parquet.compression-codec' = 'zstd',
    'write.parquet.compression-level' = '1',
    'write.distribution-mode' = 'none',
    'write.target-file-size-bytes' = '134217728'
);

CREATE TEMPORARY TABLE calls (
    event_type STRING,
    sid STRING,
    `from` ROW<phone_number STRING, cell_site STRING, imei STRING>,
    `to` ROW<phone_number STRING, cell_site STRING, imei STRING>,
    call_duration_seconds BIGINT,
    status STRING,
    `timestamp` STRING,
    call_type STRING,
    phone_number STRING,
    customer STRING,
    billing_info ROW<amount DOUBLE, currency STRING>,
    qos_metrics ROW<mos_score DOUBLE, jitter_ms DOUBLE, packet_loss_percent DOUBLE, codec STRING>,
    behavior_profile STRING,
    fraud_indicator STRING,
    risk_score BIGINT,
    seasonal_multiplier DOUBLE
) WITH (
    'connector' = 'kafka',
    'topic' = ${topic},
    'scan.startup.mode' = 'earliest-offset',
    'scan.topic-partition-discovery.interval' = '0',
    'properties.group.id' = ${group},
    'properties.fetch.max.bytes' = '67108864',
    'properties.max.partition.fetch.bytes' = '8388608',
    'properties.max.poll.records' = '10000',
    'properties.receive.buffer.bytes' = '1048576',
${kafka}
    'format' = 'json',
    'json.ignore-parse-errors' = 'true'
);

INSERT INTO lake.`${namespace}`.`${table}`
SELECT
    event_type,
    sid,
    call_duration_seconds,
    status,
    call_type,
    phone_number,
    customer,
    behavior_profile,
    fraud_indicator,
    risk_score,
    seasonal_multiplier,
    `from`.phone_number,
    `from`.cell_site,
    `from`.imei,
    `to`.phone_number,
    `to`.cell_site,
    `to`.imei,
    billing_info.amount,
    billing_info.currency,
    qos_metrics.mos_score,
    qos_metrics.jitter_ms,
    qos_metrics.packet_loss_percent,
    qos_metrics.codec,
    TRY_CAST(`timestamp` AS TIMESTAMP(6)),
    CASE
        -- most numbers hold none of the characters to remove, and match as they are: removing them is the dear part
        WHEN (
            REGEXP(`from`.phone_number, ${phone})
            OR REGEXP(TRANSLATE(`from`.phone_number, ' ()-', ''), ${phone})
        ) IS NOT TRUE THEN 'invalid:from_phone_number'
        WHEN (call_duration_seconds BETWEEN 0 AND 86400) IS NOT TRUE THEN 'range:call_duration_seconds'
        WHEN (status IN (${statuses})) IS NOT TRUE THEN 'domain:status'
    END
FROM calls;

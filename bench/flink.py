"""What the worker is compared with: Flink SQL as one that knows it tunes it. `python -m bench.flink --events 200000`.

One streaming job (flink.sql) in one JVM: Kafka's source, Flink's JSON format, the three rules of `bench.peer`, Iceberg's sink,
exactly-once checkpoints. Flink's own driver for SQL scripts runs it, so there is nothing to compile. As the hand-written loop
it drops messages that are no JSON object: Flink's JSON format knows no other way to go on after them.

flink.sha256 pins the jars; they are fetched once, into the cache of the servers.
"""

import string
import time
from collections.abc import Callable
from pathlib import Path

import click
from confluent_kafka import Consumer, TopicPartition

from bench import peer, report
from bench.calls import Race, measured, publish
from bench.measure import Start, racing
from bench.report import Measured
from bench.servers import own_servers
from lakehouse import kafka_access
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, settings
from lakehouse.stack.artifacts import Pinned, fetch
from lakehouse.stack.java import java_command
from lakehouse.stack.private import write_private
from sources.generate import DEFAULT_DEFECTS, Run
from streams.topics import Topics

TABLE, WARM_TABLE = "bench.flink_calls", "bench.flink_calls_warm"
PARALLELISM = 2
CHECKPOINT_S = 5.0
# Logged once by each reader when it has been given its partitions.
ASSIGNED = r"Adding split\(s\) to reader"
_HERE = Path(__file__).resolve().parent
_LIST, _SQL, _OPTIONS = (_HERE / f"flink.{what}" for what in ("sha256", "sql", "options"))
# The driver of scripts wants a class loader that Flink's client makes for it, and the client wants a jar to have it from.
_CLIENT, _DRIVER = "org.apache.flink.client.cli.CliFrontend", "org.apache.flink.table.runtime.application.SqlDriver"
_DRIVERS_JAR = "flink-table-runtime-"
# Hadoop, which Iceberg wants to see, must not log in: no Hadoop here, and what it calls for that is gone from Java.
_CONFIGURATION = """\
security.context.factory.classes: [org.apache.flink.runtime.security.contexts.NoOpSecurityContextFactory]
security.module.factory.classes: []
"""
# Iceberg reads `env:NAME` from the environment: so no secret is in an argument, nor in the script, which Flink prints.
_CREDENTIAL, _KEY, _SECRET = "BENCH_CATALOG_CREDENTIAL", "BENCH_S3_KEY", "BENCH_S3_SECRET"
# Where the script is cut, and what the INSERT before it has otherwise.
_INSERT = "\nINSERT INTO "
_WARM_TABLE = "\nCREATE TABLE IF NOT EXISTS lake.`${namespace}`.`${table}_warm` LIKE lake.`${namespace}`.`${table}`;\n"
_BOUNDED = (
    "FROM calls;",
    "FROM calls /*+ OPTIONS('scan.bounded.mode' = 'latest-offset', 'properties.group.id' = ${warm_group}) */;",
)
# A JVM that compiles a plan on two busy cores.
_START_LIMIT_S = 180.0


def pinned() -> list[Pinned]:
    """All jars of the class path."""
    rows = [line.split() for line in _LIST.read_text().splitlines() if line and not line.startswith("#")]
    return [Pinned(coordinate, sha256, int(size)) for sha256, size, coordinate in rows]


def class_path(cache: Path) -> list[Path]:
    """The jars, fetched where they are missing (300 MB).

    Raises:
        LakehouseError: one cannot be had.
    """
    try:
        fetch(cache, pinned(), lambda _size: None)
    except LakehouseError as error:
        raise LakehouseError(f"Flink cannot take part, a jar of {_LIST.name} is missing: {error}") from error
    return [one.path(cache) for one in pinned()]


def script(settings: Settings, table: str, group: str, checkpoint_s: float = CHECKPOINT_S, warm: bool = False) -> str:
    """The job: its settings, its tables, its one INSERT. It holds no secret.

    Args:
        warm: the same INSERT goes before it, into a table beside, and ends at the topic's end.
    """
    namespace, name = table.split(".")
    kafka = {key: value for key, value in kafka_access.java(settings).items() if key != "sasl.jaas.config"}
    kafka["bootstrap.servers"] = settings.kafka_bootstrap
    tables, insert = _SQL.read_text().split(_INSERT)
    first = f"{_WARM_TABLE}{_INSERT}{insert}".replace("${table}`\nSELECT", "${table}_warm`\nSELECT").replace(*_BOUNDED)
    return string.Template(f"{tables}{first if warm else ''}{_INSERT}{insert}").substitute(
        parallelism=PARALLELISM,
        checkpoint_ms=round(checkpoint_s * 1000),
        catalog_url=_quoted(settings.catalog_url),
        token_url=_quoted(f"{settings.catalog_url.rstrip('/')}/v1/oauth/tokens"),
        warehouse=_quoted(settings.catalog_warehouse),
        s3_region=_quoted(settings.s3_region),
        s3_endpoint=_quoted(settings.s3_endpoint),
        namespace=namespace,
        table=name,
        topic=_quoted(settings.topic("calls")),
        group=_quoted(group),
        warm_group=_quoted(f"{group}-warm"),
        kafka="\n".join(f"    {_quoted(f'properties.{key}')} = {_quoted(value)}," for key, value in kafka.items()),
        phone=_quoted(peer.PHONE),
        statuses=", ".join(map(_quoted, peer.STATUSES)),
    )


def _quoted(value: str) -> str:
    escaped = value.replace("'", "''")
    return f"'{escaped}'"


def command(
    settings: Settings, table: str, group: str, folder: Path, checkpoint_s: float = CHECKPOINT_S, warm: bool = False
) -> tuple[list[str], dict[str, str]]:
    """What runs the job, and the variables that it needs on top; writes the script and Kafka's log-in into the folder.

    Raises:
        LakehouseError: a jar or Java is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sql, login = folder / "job.sql", folder / "login.conf"
    write_private(sql, script(settings, table, group, checkpoint_s, warm))
    jaas = kafka_access.java(settings).get("sasl.jaas.config")
    write_private(folder / "config.yaml", _CONFIGURATION)
    write_private(login, f"KafkaClient {{ {jaas} }};\n" if jaas else "")
    options = [f"@{_OPTIONS}", f"-Djava.io.tmpdir={folder}", f"-Djava.security.auth.login.config={login}"]
    secret = settings.s3_secret_key.get_secret_value()
    variables = {_CREDENTIAL: f"{settings.s3_access_key}:{secret}", _KEY: settings.s3_access_key, _SECRET: secret}
    jars = class_path(settings.cache_dir)
    driver = next(str(jar) for jar in jars if jar.name.startswith(_DRIVERS_JAR))
    arguments = ["run", "--target", "local", "--class", _DRIVER, driver, "--scriptUri", sql.as_uri()]
    return java_command(options, jars, _CLIENT, *arguments), {**variables, "FLINK_CONF_DIR": str(folder)}


def flink(race: Race, turn: str, checkpoint_s: float = CHECKPOINT_S, warm: bool = False) -> Measured:
    """The job, until its last checkpoint's commit to Iceberg.

    Args:
        warm: the JVM has read the topic once before the clock begins, as a job that has run for long is; else Java's
            compiling of what runs often is in the numbers, some 12 CPU seconds whatever the number of events.
    Raises:
        LakehouseError: it ended, or did not come to an end in time.
    """
    group = f"flink-{turn}"
    started, variables = command(settings(), TABLE, group, race.folder / group, checkpoint_s, warm)
    with racing([Start(started, race.folder / f"{group}.log", variables)], race.servers) as racer:
        racer.until_assigned(ASSIGNED, PARALLELISM * (2 if warm else 1), _START_LIMIT_S + race.limit_s * warm)
        racer.until(_has_read_all(race, group, checkpoint_s), race.limit_s)
    return measured(racer, race.events, [race.client.load_table(TABLE)], [])


def _has_read_all(race: Race, group: str, checkpoint_s: float) -> Callable[[], bool]:
    """Asks whether all is committed.

    A completed checkpoint is told to Kafka's source, which then commits its offsets to the group, and to Iceberg's committer,
    in no order. So after the group stands at the topic's end the table must have been quiet for a checkpoint and a half; the
    wait is not measured, since the clock ends with the last snapshot.
    """
    consumer, ends = Consumer({**kafka_access.librdkafka(settings()), "group.id": group}), _ends()
    wanted = [TopicPartition(settings().topic("calls"), number) for number, end in ends.items() if end]
    commits, since = 0, 0.0

    def done() -> bool:
        nonlocal commits, since
        if not since and any(one.offset < ends[one.partition] for one in consumer.committed(wanted, timeout=10)):
            return False
        now = len(race.client.load_table(TABLE).metadata.snapshots)
        if not since or now != commits:
            commits, since = now, time.monotonic()
        return commits > 0 and time.monotonic() - since > 1.5 * checkpoint_s

    return done


def _ends() -> dict[int, int]:
    logs = Topics(settings()).logs(settings().topic("calls"))
    return {one.partition: log.end for one, log in logs.items()}


def objects() -> int:
    """How many messages of the topic are JSON objects: the rows that there must be at least. Reads it all.

    Flink takes some more, such as an object with text after it, or in a list.
    """
    ends, topic = _ends(), settings().topic("calls")
    consumer = Consumer({**kafka_access.librdkafka(settings()), "group.id": "count"})
    consumer.assign([TopicPartition(topic, number, 0) for number in ends])
    left, found = sum(ends.values()), 0
    while left:
        messages = consumer.consume(min(left, 20_000), timeout=10)
        if not messages:
            raise LakehouseError(f"{topic}: Kafka gave nothing for 10 s, {left:,} messages before its end")
        left -= len(messages)
        found += sum(peer.is_object(message.value() or b"") for message in messages)
    consumer.close()
    return found


def bench(events: int, rounds: int, defects: str, checkpoint_s: float, warm: bool, say: report.Say) -> list[Measured]:
    """Run the job alone, on servers of its own.

    Raises:
        LakehouseError: a server or the job failed, or rows are missing.
    """
    class_path(settings().cache_dir)
    with own_servers() as folder:
        race = Race.at(folder, events)
        say(f"publishing {events:,} calls")
        publish(Run(events=events, defects=defects, run_id="bench"), "events")
        wanted = objects()
        found = []
        for number in range(1, rounds + 1):
            race.drop([TABLE, WARM_TABLE])
            found.append(flink(race, str(number), checkpoint_s, warm))
            say(f"round {number}: Flink SQL    {report.line(found[-1])}, {found[-1].rows:,} rows")
            if not wanted <= found[-1].rows <= events:
                raise LakehouseError(f"{TABLE} holds {found[-1].rows:,} rows of {wanted:,} JSON objects")
        return found


@click.command()
@click.option("--events", type=click.IntRange(1_000), default=1_000_000, show_default=True, help="Calls in the topic.")
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True, help="Turns, each in a JVM of its own.")
@click.option("--defects", default=DEFAULT_DEFECTS, show_default=True, help="As of `lakehouse generate`.")
@click.option("--checkpoint", default=CHECKPOINT_S, show_default=True, help="Seconds between checkpoints, so commits.")
@click.option("--warm", is_flag=True, help="Let the JVM read the topic once before the clock begins.")
def main(events: int, rounds: int, defects: str, checkpoint: float, warm: bool) -> None:
    """Run the tuned Flink SQL job alone over a topic of calls, on servers of its own.

    Kafka, S3 and the catalog start in a temporary folder on free ports and end with it. The first time Flink is fetched,
    300 MB, into LAKEHOUSE_CACHE_DIR. The clock begins when Flink's readers have been given their partitions and ends with the
    last snapshot of the table; below a million events much of it is the JVM's warming up and waiting for a checkpoint.
    """
    with report.as_command():
        bench(events, rounds, defects, checkpoint, warm, click.echo)


if __name__ == "__main__":
    main()

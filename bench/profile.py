"""Where a worker's processor time goes: `python -m bench.profile`, in one process, without servers.

Generated calls go through the real code from message bytes to Parquet; the functions of each step are wrapped with a clock of
the process's CPU time (all threads, kernel included), inner steps subtracted from the outer ones. What comes before (aiokafka's
parsing of fetched bytes) is driven with the same messages in Kafka's own record batches; what comes after (upload, commit) is
not here. A test runs this in small: a renamed function fails it.
"""

import io
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import click
import numpy as np
import polars as pl
import pyarrow as pa
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import TopicPartition
from pyiceberg.table import Table

from catalog import data_files
from catalog.commit import DAY_OF
from catalog.offsets import PartitionId
from catalog.schemas import Column, by_day, iceberg_schema
from lakehouse.settings import Settings, settings
from sources.generate import DEFAULT_DEFECTS, Run, run
from streams import bronze, decode, duplicates, silver, validate
from streams.batch import RawBatch
from streams.contract import contracts
from streams.duplicates import DuplicateWindow
from streams.enrich import attributes_of
from streams.kernel.history import History
from streams.lineage import stamped
from streams.reference_records import keys_and_versions, records_of
from streams.rules import READERS
from streams.silver import SilverWriter

# What a fetch of 8 MB holds, and what is committed together (64 MB).
_BATCH, _BATCHES_A_COMMIT = 13_000, 8
# Kafka's producer makes batches of at most 1 MB.
_RECORDS_A_BATCH = 1_600
_LZ4 = 3


@dataclass
class Meter:
    """CPU seconds by step; a step's own, without those of the steps within it."""

    cpu_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _open: list[str] = field(default_factory=list)
    _since: float = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what happens inside to this step."""
        self._turn()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def _turn(self) -> None:
        now = time.process_time()
        if self._open:
            self.cpu_s[self._open[-1]] += now - self._since
        self._since = now

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its time counted."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            with self.step(name):
                return function(*args, **kwargs)

        return counted


# What is wrapped: where a name is looked up, the name, the step it counts to.
_STEPS: tuple[tuple[Any, str, str], ...] = (
    (decode, "scan", "decode: scan"),
    (decode, "plain", "decode: trim, unescape"),
    (decode.Decoder, "decode", "decode: the rest"),
    (validate, "_judge", "validate: verdicts"),
    (validate, "_note", "validate: codes and warnings by field"),
    (validate, "listed", "reasons' and warnings' text"),
    (silver, "validate", "validate: the rest"),
    (silver, "enrich", "enrich"),
    (duplicates.DuplicateWindow, "find", "duplicates"),
    (silver, "extras", "extras"),
    (silver.SilverWriter, "_assemble", "assemble rows"),
    (silver.SilverWriter, "rows", "rows: the rest"),
    (bronze, "rows", "bronze rows"),
)


@contextmanager
def instrumented(meter: Meter) -> Iterator[None]:
    """Count the steps of the line while the block lasts."""
    with ExitStack() as stack:
        for place, name, step in _STEPS:
            stack.enter_context(patch.object(place, name, meter.around(step, getattr(place, name))))
        readers = {kind: meter.around(f"validate: read {kind}", read) for kind, read in READERS.items()}
        stack.enter_context(patch.dict(READERS, readers))
        yield


class Collected:
    """Takes generated messages and keeps them."""

    def __init__(self) -> None:
        self.frames: dict[str, list[pl.DataFrame]] = defaultdict(list)

    def send_frame(self, source: str, messages: pl.DataFrame) -> None:
        """Keep the columns `key` and `value`."""
        self.frames[source].append(messages.select("key", "value"))

    def batches(self, source: str, size: int) -> list[RawBatch]:
        """The messages of a source as fetches of one partition."""
        frame = pl.concat(self.frames[source])
        return [_batch(source, frame.slice(first, size), first) for first in range(0, len(frame), size)]


def _batch(source: str, messages: pl.DataFrame, first: int) -> RawBatch:
    offsets = np.arange(first, first + len(messages), dtype=np.int64)
    micros = np.full(len(messages), int(time.time() * 1e6), dtype=np.int64)
    keys = messages["key"].cast(pl.Binary).to_arrow().cast(pa.large_binary())
    values = messages["value"].to_arrow().cast(pa.large_binary())
    return RawBatch(source, PartitionId("bench", 0), first, offsets, micros, keys, values)


def reference_histories(collected: Collected, now: Settings) -> dict[str, History]:
    """What the worker would know of the reference records."""
    made = {}
    for name, attributes in attributes_of(contracts()).items():
        contract = contracts()[name]
        (batch,) = collected.batches(name, 1 << 30)
        rows = SilverWriter(contract, now).rows(batch, DuplicateWindow(1, 1), {}).rows
        known = pl.DataFrame(pl.from_arrow(rows)).filter(~pl.col("is_rejected"))
        made[name] = History(attributes)
        made[name].replace(keys_and_versions(name, records_of(contract, attributes, known).items()))
    return made


class MemoryTable:
    """What `data_files.write` asks of a table; the file goes nowhere."""

    properties: dict[str, str] = {}  # noqa: RUF012 - as PyIceberg has it

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self._schema = iceberg_schema(columns)
        self.io = self
        self.written = 0

    def schema(self) -> Any:
        """Its Iceberg schema."""
        return self._schema

    @property
    def metadata(self) -> Any:
        """What tells it from other tables."""
        return SimpleNamespace(table_uuid=id(self), current_schema_id=0)

    def spec(self) -> Any:
        """Its partitioning."""
        return by_day(self._schema, DAY_OF)

    def location(self) -> str:
        """Nowhere."""
        return "memory:"

    def new_output(self, _path: str) -> "MemoryTable":
        """Stands for the file as well."""
        return self

    @contextmanager
    def create(self, overwrite: bool) -> Iterator[Any]:
        """Stands for the upload."""
        yield self

    def write(self, content: Any) -> None:
        """Count the bytes."""
        self.written += len(content)


@dataclass(frozen=True)
class Profile:
    """CPU seconds per million calls by step, in the order of the line, and bytes of Parquet a call."""

    events: int
    cpu_s_per_million: dict[str, float]
    parquet_bytes: dict[str, float]

    @property
    def total(self) -> float:
        """Of all steps."""
        return sum(self.cpu_s_per_million.values())


def profile(events: int, batch: int = _BATCH, defects: str = DEFAULT_DEFECTS) -> Profile:
    """Send generated calls through the line and count."""
    now = settings()
    collected = Collected()
    run(Run(events=events, run_id="profile", defects=defects), collected)
    known = reference_histories(collected, now)
    contract = contracts()["calls"]
    tables = {"silver": MemoryTable(silver.columns(contract)), "bronze": MemoryTable(bronze.COLUMNS)}
    batches = collected.batches("calls", batch)
    writer = SilverWriter(contract, now)
    writer.rows(batches[0], DuplicateWindow(1, 1), known)  # the first time loads libraries and compiles patterns
    window = DuplicateWindow(now.duplicate_window_events, now.duplicate_window_s)
    meter = Meter()
    _receive(meter, batches)
    with instrumented(meter):
        for first in range(0, len(batches), _BATCHES_A_COMMIT):
            together = batches[first : first + _BATCHES_A_COMMIT]
            made = [writer.rows(one, window, known).rows for one in together]
            _write(meter, "silver", tables["silver"], made)
            _write(meter, "bronze", tables["bronze"], [bronze.rows(one) for one in together])
    spent = {name: seconds * 1e6 / events for name, seconds in meter.cpu_s.items()}
    return Profile(events, _in_order(spent), {name: table.written / events for name, table in tables.items()})


def _write(meter: Meter, name: str, table: MemoryTable, made: Sequence[pa.Table]) -> None:
    with meter.step(f"parquet {name}"):
        data_files.write(cast(Table, table), stamped(pa.concat_tables(made), datetime.now(UTC)), DAY_OF)


def _receive(meter: Meter, batches: Sequence[RawBatch]) -> None:
    """What becomes of fetched bytes before they are a batch."""
    from streams.worker.columnar import ColumnRecords
    from streams.worker.record_batches import BoundedRecords

    tp = TopicPartition("calls", 0)
    for batch in batches:
        content = BoundedRecords(_record_batches(batch))
        with meter.step("receive: fetched bytes to columns"):
            held, more = ColumnRecords(tp, content, [], batch.first, None, None, False, 1), True
            while more:
                _, more = held.take(1 << 22)


def _record_batches(batch: RawBatch) -> bytes:
    """The messages as Kafka keeps them, compressed as our publisher does."""
    written = io.BytesIO()
    keys, values = batch.keys.to_pylist(), batch.values.to_pylist()
    for first in range(0, len(batch), _RECORDS_A_BATCH):
        builder = DefaultRecordBatchBuilder(2, _LZ4, 0, -1, -1, -1, 1 << 24)
        at = int(batch.timestamps[0]) // 1000
        for i, (key, value) in enumerate(
            zip(keys[first:][:_RECORDS_A_BATCH], values[first:][:_RECORDS_A_BATCH], strict=True)
        ):
            builder.append(i, at, key, value, [])
        made = builder.build()
        made[0:8] = int(batch.first + first).to_bytes(8, "big")
        written.write(made)
    return written.getvalue()


def _in_order(spent: dict[str, float]) -> dict[str, float]:
    """As the line goes; readers by cost between decoding and verdicts."""
    order = ["receive: ", "decode: ", "validate: read ", "validate: ", "enrich", "duplicates"]
    place = {name: next((i for i, start in enumerate(order) if name.startswith(start)), len(order)) for name in spent}
    return {name: spent[name] for name in sorted(spent, key=lambda name: (place[name], -spent[name]))}


@click.command()
@click.option("--events", type=click.IntRange(1_000), default=200_000, show_default=True, help="Calls to send through.")
@click.option("--batch", type=click.IntRange(1), default=_BATCH, show_default=True, help="Messages a batch.")
@click.option("--defects", default=DEFAULT_DEFECTS, show_default=True, help="As of `lakehouse generate`.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(events: int, batch: int, defects: str, as_json: bool) -> None:
    """Print the CPU seconds that each step of the line takes for a million calls."""
    found = profile(events, batch, defects)
    if as_json:
        click.echo(json.dumps({"events": found.events, "total": found.total, "steps": found.cpu_s_per_million}))
        return
    for name, seconds in found.cpu_s_per_million.items():
        click.echo(f"{name:36} {seconds:6.2f}  {seconds / found.total:5.1%}")
    click.echo(f"{'all':36} {found.total:6.2f}  CPU seconds per million calls")
    for name, size in found.parquet_bytes.items():
        click.echo(f"{'parquet ' + name:36} {size:6.0f}  bytes a call")


if __name__ == "__main__":
    main()

"""What Redis holds of a key: its latest record, for people at Trino's console, and the versions by which events are enriched.

A JSON object of the contract's columns, and in `versions` a list for each version, the latest first: `effective_from` and Kafka
time in µs since 1970 UTC, partition, offset, then the attributes. Of the versions from one instant on the later record counts,
so that records may be put together in any order, and twice.
"""

import itertools
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from streams import reference_keys
from streams.contract import Contract, Field

RECORD_BYTES = 1_500_000
"""The longest record, in escapes as it is written; the embedded server takes values of 2 MB."""
VERSIONS = 32
"""So many versions of a key are known, the latest: who changes a record each second must not fill the workers' memory."""
_COLUMNS = ("effective_from", "kafka_timestamp", "kafka_partition", "kafka_offset")
_DATE_BYTES = 40
_INT64 = 2**63


class Version(NamedTuple):
    """What a record said of its key; compared, the one that counts is the greater."""

    since_us: int
    kafka_us: int
    partition: int
    offset: int
    values: tuple[str | None, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """From when on it holds, and of those from one instant on the later one."""
        return self[:4]


@dataclass
class Record:
    """What is known of a key: the columns of its latest version, and the versions, the latest first."""

    columns: dict[str, Any]
    versions: list[Version] = field(default_factory=list)

    def merged(self, other: "Record") -> "Record":
        """What both know."""
        by_instant: dict[int, Version] = {}
        for version in (*self.versions, *other.versions):
            before = by_instant.get(version.since_us)
            if before is None or version.order >= before.order:
                by_instant[version.since_us] = version
        versions = sorted(by_instant.values(), key=lambda version: version.order, reverse=True)[:VERSIONS]
        latest = other if other.versions[:1] == versions[:1] else self
        return Record(latest.columns, versions)

    def written(self) -> str:
        """As Redis holds it; where it would be too long without its eldest versions, then without columns and attributes."""
        versions = [[*version[:4], *version.values] for version in self.versions]
        while len(text := json.dumps({**self.columns, "versions": versions})) > RECORD_BYTES and len(versions) > 1:
            versions = versions[: len(versions) // 2]
        if len(text) > RECORD_BYTES:
            text = json.dumps({"versions": [[*version[:4], *(None for _ in version[4:])] for version in versions]})
        return text


def record_columns(contract: Contract) -> list[str]:
    """What of a source's accepted rows is needed."""
    return [*attribute_columns(contract), *_COLUMNS]


def attribute_columns(contract: Contract) -> list[str]:
    """The key and the attributes of a reference source."""
    return [f.column for f in _fields(contract)]


def records_of(contract: Contract, attributes: Sequence[str], rows: pl.DataFrame) -> dict[str, Record]:
    """The records that accepted rows of silver make, by key.

    Args:
        attributes: those of the versions.
        rows: at least `record_columns`.
    """
    columns, key = attribute_columns(contract), contract.key.column
    micros = [pl.col(name).dt.epoch("us").alias(f"µs of {name}") for name in _COLUMNS[:2]]
    made: dict[str, Record] = {}
    for row in rows.with_columns(micros).iter_rows(named=True):
        values = {
            name: v if isinstance(v := row[name], str | bool | float | int | None) else str(v) for name in columns
        }
        at = (row["µs of effective_from"], row["µs of kafka_timestamp"], row["kafka_partition"], row["kafka_offset"])
        record = Record(values, [Version(*at, tuple(_text(values[name]) for name in attributes))])
        name = reference_keys.record(contract.source, row[key])
        made[name] = made[name].merged(record) if name in made else record
    return made


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def read(contract: Contract, attributes: Sequence[str], name: str, value: bytes) -> Record:
    """A record as Redis holds it.

    Raises:
        ValueError: it is none, or another key's; also RecursionError.
    """
    found = json.loads(value)
    if not isinstance(found, dict):
        raise ValueError("no object")
    columns = {column: found.get(column) for column in attribute_columns(contract)}
    for f in _fields(contract):
        held = columns[f.column]
        if held is not None and not _fits(held, f):
            raise ValueError(f"{f.column} is of another type, or too long")
    prefix = reference_keys.record(contract.source, "")
    if not name.startswith(prefix) or columns[contract.key.column] not in (None, name.removeprefix(prefix)):
        raise ValueError("of another key")
    versions = found.get("versions")
    if not isinstance(versions, list) or not 0 < len(versions) <= VERSIONS:
        raise ValueError("without versions, or with too many")
    read_versions = [_version(version, len(attributes)) for version in versions]
    if any(a.since_us <= b.since_us for a, b in itertools.pairwise(read_versions)):
        raise ValueError("its versions are in no order")
    return Record(columns, read_versions)


def _version(found: Any, attributes: int) -> Version:
    if not isinstance(found, list) or len(found) != 4 + attributes:
        raise ValueError("a version of another form")
    if any(type(number) is not int or not -_INT64 <= number < _INT64 for number in found[:4]):
        raise ValueError("a version without its place")
    if not all(value is None or isinstance(value, str) for value in found[4:]):
        raise ValueError("an attribute that is no text")
    for value in found[4:]:
        if value is not None:
            value.encode()  # half a character is none
    since_us, kafka_us, partition, offset = found[:4]
    return Version(since_us, kafka_us, partition, offset, tuple(found[4:]))


def keys_and_versions(
    source: str, read_records: Iterable[tuple[str, Record]]
) -> list[tuple[str, list[tuple[int, Any]]]]:
    """Records as `History.replace` takes them."""
    prefix = len(reference_keys.record(source, ""))
    return [(name[prefix:], [(v.since_us, v.values) for v in record.versions]) for name, record in read_records]


def _fits(value: Any, field: Field) -> bool:
    if field.type == "bool":
        return isinstance(value, bool)
    if field.type == "int":
        return type(value) is int and -_INT64 <= value < _INT64
    if field.type == "double":
        return type(value) in (int, float) and math.isfinite(value)
    return isinstance(value, str) and len(value.encode(errors="replace")) <= (field.max_length or _DATE_BYTES)


def _fields(contract: Contract) -> list[Field]:
    return [f for f in contract.fields if f.column != "effective_from"]

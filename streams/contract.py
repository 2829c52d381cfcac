"""The declarative contracts: one YAML file a source says what its messages must be.

A contract is data. This module reads it into typed objects and derives what others need: the paths under which a field may
stand in a message, the silver columns and their order. It knows nothing of JSON decoding, Kafka or Iceberg.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal, get_args

from lakehouse.errors import UsageError, did_you_mean
from lakehouse.paths import data_files, read_yaml
from lakehouse.settings import settings
from streams.contract_file import Condition, Enrichment, FieldWords, Range, Type, read

FOLDER = "streams/contracts"
NUMBER_PLAN = "number_plan.yaml"
FIELD_TYPES: tuple[str, ...] = get_args(Type)
# Types whose pattern or list is a rule in itself, and those that have one where the field is required (contracts.md, "Rules").
_RULED_TYPES, _RULED_IF_REQUIRED = frozenset({"phone", "currency"}), frozenset({"imei", "tac"})
_MEASURES = ("int", "double")
_COLUMN = re.compile("[a-z_][a-z0-9_]*")
# Bytes of UTF-8 that a text may have (contracts.md, "Length"): free text, what identifies, and the most a contract may allow.
# Trino joins texts of at most 1 MB, and whatever is one column here is drawn in one cell somewhere.
_TEXT_BYTES, _SHORT_BYTES = 8_192, 512
_SHORT_TYPES = _RULED_TYPES | _RULED_IF_REQUIRED | {"time"}


@dataclass(frozen=True)
class Field:
    """One field of a contract: where it stands in the message, what it must be, which column holds it."""

    name: str
    type: str
    column: str
    paths: tuple[tuple[str, ...], ...]
    doc: str = ""
    required: bool = False
    required_if: Condition | None = None
    domain: frozenset[str] | None = None
    range: Range | None = None
    plausible: Range | None = None
    known_in: str | None = None
    key: bool = False
    longest: int | None = None

    @property
    def max_length(self) -> int | None:
        """Bytes of UTF-8 that its text may have once it is trimmed; None for a type that is not measured."""
        if self.type in _SHORT_TYPES or (self.key and self.type == "string"):
            return self.longest or _SHORT_BYTES
        return self.longest or _TEXT_BYTES if self.type == "string" else None

    @property
    def ruled(self) -> bool:
        """Whether an unreadable value rejects the event even where the field is optional."""
        by_type = self.type in _RULED_TYPES or (self.required and self.type in _RULED_IF_REQUIRED)
        return self.domain is not None or self.range is not None or by_type or self.name in _ALWAYS


# Reference records: an unreadable effective_from must not mean "now" (contracts.md, "Reference records").
_ALWAYS = frozenset({"effective_from"})


@dataclass(frozen=True)
class Contract:
    """All that is known of a source."""

    source: str
    kind: Literal["event", "reference"]
    title: str
    fields: tuple[Field, ...]
    enrichment: tuple[Enrichment, ...] = ()
    amount: str | None = None
    _by_name: dict[str, Field] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._by_name.update({f.name: f for f in self.fields})

    @property
    def is_event(self) -> bool:
        """Whether this is a source of events (else of reference records)."""
        return self.kind == "event"

    @property
    def key(self) -> Field:
        """The key field of a reference source."""
        return next(f for f in self.fields if f.key)

    @property
    def groups(self) -> frozenset[str]:
        """Members that hold named fields one level below."""
        return frozenset(path[0] for f in self.fields for path in f.paths if len(path) > 1)

    @property
    def fingerprint(self) -> str:
        """Text that is another one where anything of the contract is; the same in each process."""
        return json.dumps(asdict(self), default=lambda members: sorted(map(str, members)), sort_keys=True)

    def __getitem__(self, name: str) -> Field:
        return self._by_name[name]

    def spellings(self) -> Iterator[tuple[tuple[str, ...], Field]]:
        """Each path a message may use, with its field."""
        for f in self.fields:
            for path in f.paths:
                yield path, f


_EVENT_FIELDS: tuple[dict[str, Any], ...] = (
    {"name": "event_type", "type": "string", "required": True, "doc": "kind of event"},
    {
        "name": "sid",
        "column": "event_id",
        "type": "string",
        "required": True,
        "max_length": _SHORT_BYTES,
        "doc": "id that the source gave",
    },
    {"name": "timestamp", "column": "event_time", "type": "time", "required": True, "doc": "when it happened"},
)
_EFFECTIVE_FROM = {"name": "effective_from", "type": "time", "doc": "from when the state holds; else the Kafka time"}


def _field(words: FieldWords) -> Field:
    paths = [tuple(words.path.split("."))] if words.path else []
    paths.append((words.name,))
    if words.alias:
        paths.append((words.alias,))
    return Field(
        name=words.name,
        type=words.type,
        column=words.column or words.name,
        paths=tuple(paths),
        doc=words.doc,
        required=words.required,
        required_if=words.required_if,
        domain=None if words.domain is None else frozenset(words.domain),
        range=words.range,
        plausible=None if words.plausible is None else Range(**words.plausible.model_dump()),
        known_in=words.known_in,
        key=words.key,
        longest=words.max_length,
    )


def parse(raw: Any) -> Contract:
    """Build a contract from its YAML content.

    Raises:
        UsageError: a word, a type or a reference in it is not known; the message names it.
    """
    words = read(raw)
    listed = words.fields
    if words.kind == "reference":
        listed = [*listed, FieldWords.model_validate(_EFFECTIVE_FROM)]
    elif words.event_type is None:
        raise UsageError(f"contract {words.source}: event_type is missing")
    else:
        first = {**_EVENT_FIELDS[0], "domain": [words.event_type]}
        listed = [FieldWords.model_validate(f) for f in (first, *_EVENT_FIELDS[1:])] + listed
    contract = Contract(
        source=words.source,
        kind=words.kind,
        title=words.title or words.source,
        fields=tuple(_field(f) for f in listed),
        enrichment=tuple(words.enrichment),
        amount=words.amount,
    )
    _check(contract)
    return contract


def _check(contract: Contract) -> None:
    """What a contract says of its own fields must be so; a wrong word must not wait for the first event."""

    def wrong(what: str) -> UsageError:
        return UsageError(f"contract {contract.source}: {what}")

    if not contract.is_event and sum(f.key for f in contract.fields) != 1:
        raise wrong("exactly one field must be the key")
    before: dict[str, Field] = {}
    for f in contract.fields:
        if f.name in before or f.column in {other.column for other in before.values()}:
            raise wrong(f"{f.name} is there twice")
        if not _COLUMN.fullmatch(f.column):
            raise wrong(f"{f.name!r} can be no column: give it one (`column:`) of small letters, digits and _")
        if f.longest is not None and f.max_length is None:
            raise wrong(f"max_length of {f.name!r} is for a string or a type with a pattern")
        if f.range is not None and f.type not in (*_MEASURES, "money"):
            raise wrong(f"range of {f.name!r} is for an int, a double or money")
        if f.plausible is not None and (f.type not in _MEASURES or f.required or f.required_if or f.range):
            raise wrong(f"plausible of {f.name!r} is for an optional int or double without a range")
        if any(bounds is not None and bounds.min is None and bounds.max is None for bounds in (f.range, f.plausible)):
            raise wrong(f"range and plausible of {f.name!r} need a min, a max or both")
        if f.domain is not None and f.type != "string":
            raise wrong(f"domain of {f.name!r} is for a string")
        if f.required_if is not None and (other := before.get(f.required_if.field)) is None:
            raise wrong(f"{f.name} is required if {f.required_if.field!r}, which must stand before it")
        if f.required_if is not None and other is not None and other.type != "string":
            raise wrong(f"{f.name} is required if {f.required_if.field!r}, which is no string")
        before[f.name] = f
    _check_paths(contract.source, contract.fields)
    columns = {f.column: f.type for f in contract.fields}
    if contract.amount is not None:
        if columns.get(contract.amount) != "money":
            raise wrong(f"amount is {contract.amount!r}, which is no column of money")
        if columns.get("currency") != "currency":
            raise wrong(
                f"amount is {contract.amount!r}: amounts are added up by the column `currency`, which is not there"
            )
    for e in contract.enrichment:
        for name in (e.tac_of, e.key):
            if name is not None and name not in columns:
                raise wrong(f"enrichment {e.column}: there is no column {name!r}")
        columns[e.column] = "string"


def _check_paths(source: str, fields: Sequence[Field]) -> None:
    """A member of a message is one field's, or a group of fields."""
    groups = {path[0] for f in fields for path in f.paths if len(path) > 1}
    seen: dict[tuple[str, ...], str] = {}
    for f in fields:
        for path in dict.fromkeys(f.paths):
            if len(path) > 2:
                raise UsageError(f"contract {source}: {f.name} is in a group of a group, {'.'.join(path)!r}")
            if path in seen:
                raise UsageError(f"contract {source}: {f.name} and {seen[path]} are both read from {'.'.join(path)!r}")
            if path[0] in groups and len(path) == 1:
                raise UsageError(f"contract {source}: {f.name} is read from {path[0]!r}, which is a group of fields")
            seen[path] = f.name


def _check_references(found: Sequence[Contract]) -> None:
    """What contracts say of each other must be there."""
    attributes = {c.source: {f.column for f in c.fields} for c in found if not c.is_event}
    for contract in found:
        wanted: list[tuple[str, str | None, str]]
        wanted = [(f.known_in, None, f.name) for f in contract.fields if f.known_in]
        wanted += [(e.reference, e.attribute, e.column) for e in contract.enrichment if e.reference]
        for reference, attribute, name in wanted:
            if reference not in attributes:
                raise UsageError(
                    f"contract {contract.source}: {name} looks into {reference!r}, which is no reference source"
                )
            if attribute is not None and attribute not in attributes[reference]:
                raise UsageError(f"contract {contract.source}: {name}: {reference} has no column {attribute!r}")


@cache
def contracts() -> dict[str, Contract]:
    """All contracts by source, the operator's own among them, reference sources first (events are enriched by them).

    Raises:
        UsageError: a file is not a contract, or not named after its source.
    """
    found = []
    for path in data_files(FOLDER, "*.yaml"):
        if path.name == NUMBER_PLAN:
            continue
        raw = read_yaml(path)
        if not isinstance(raw, dict):
            raise UsageError(f"{path}: a contract is a mapping (source: …, kind: …, fields: …), and this is none")
        if raw.get("source") != path.stem:
            raise UsageError(f"{path}: a contract's file is named after its source, {raw.get('source')!r}")
        found.append(parse(raw))
    _check_references(found)
    sources = [c.source for c in found]
    for variable, names in (("TOPICS", settings().topics), ("BRONZE_OFF", settings().bronze_off)):
        for name in names:
            if name not in sources:
                raise UsageError(
                    f"LAKEHOUSE_{variable} names {name!r}, which is no source.{did_you_mean(name, sources)}"
                )
    found.sort(key=lambda c: (c.is_event, c.source))
    return {c.source: c for c in found}

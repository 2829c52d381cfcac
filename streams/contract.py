"""The declarative contracts: one YAML file a source says what its messages must be.

A contract is data. This module reads it into typed objects and derives what others need: the paths under which a field may
stand in a message, the silver columns and their order. It knows nothing of JSON decoding, Kafka or Iceberg.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal

import yaml

from lakehouse.errors import UsageError
from lakehouse.paths import data_files

FOLDER = "streams/contracts"
FIELD_TYPES = (
    "string", "int", "double", "money", "bool", "time", "date", "phone", "imei", "tac", "currency",
)  # fmt: skip
# Types whose pattern or list is a rule in itself, and those that have one where the field is required (contracts.md, "Rules").
_RULED_TYPES, _RULED_IF_REQUIRED = frozenset({"phone", "currency"}), frozenset({"imei", "tac"})
_MEASURES = frozenset({"int", "double"})
# Bytes of UTF-8 that a text may have (contracts.md, "Length"): free text, what identifies, and the most a contract may allow.
# Trino joins texts of at most 1 MB, and whatever is one column here is drawn in one cell somewhere.
_TEXT_BYTES, _SHORT_BYTES, _MOST_BYTES = 8_192, 512, 65_536
_SHORT_TYPES = _RULED_TYPES | _RULED_IF_REQUIRED | {"time"}


@dataclass(frozen=True)
class Range:
    """Bounds that a value must keep; both ends belong to it unless `above` (then greater than `min`)."""

    min: float | None = None
    max: float | None = None
    above: bool = False


@dataclass(frozen=True)
class Condition:
    """The field is required where another field has this value."""

    field: str
    value: str


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
class Enrichment:
    """A silver column looked up when the event arrives: an attribute of a reference record, or an IMEI's TAC.

    With neither it stays null: all event tables have the same columns for a customer, also where nothing tells them.
    """

    column: str
    reference: str | None = None
    key: str | None = None
    attribute: str | None = None
    tac_of: str | None = None


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


def _field(source: str, raw: dict[str, Any]) -> Field:
    words = {
        "name",
        "type",
        "column",
        "path",
        "alias",
        "doc",
        "required",
        "required_if",
        "domain",
        "range",
        "plausible",
        "known_in",
        "key",
        "max_length",
    }
    unknown = set(raw) - words
    if unknown:
        raise UsageError(f"contract {source}: field {raw.get('name')!r} has unknown words {sorted(unknown)}")
    if raw.get("type") not in FIELD_TYPES:
        raise UsageError(f"contract {source}: field {raw.get('name')!r} needs a type out of {', '.join(FIELD_TYPES)}")
    paths = [tuple(raw["path"].split("."))] if "path" in raw else []
    paths.append((raw["name"],))
    if "alias" in raw:
        paths.append((raw["alias"],))
    limits = raw.get("range")
    return Field(
        name=raw["name"],
        type=raw["type"],
        column=raw.get("column", raw["name"]),
        paths=tuple(paths),
        doc=raw.get("doc", ""),
        required=bool(raw.get("required", False)),
        required_if=Condition(**raw["required_if"]) if "required_if" in raw else None,
        domain=frozenset(raw["domain"]) if "domain" in raw else None,
        range=Range(**limits) if limits else None,
        plausible=_plausible(source, raw),
        known_in=raw.get("known_in"),
        key=bool(raw.get("key", False)),
        longest=_longest(source, raw),
    )


def _plausible(source: str, raw: dict[str, Any]) -> Range | None:
    bounds = raw.get("plausible")
    if bounds is None:
        return None
    numbers = isinstance(bounds, dict) and all(type(bound) in (int, float) for bound in bounds.values())
    if not numbers or not bounds or not set(bounds) <= {"min", "max"}:
        raise UsageError(f"contract {source}: plausible of {raw['name']!r} must have a min, a max or both, in numbers")
    if raw["type"] not in _MEASURES or {"required", "required_if", "range"} & set(raw):
        raise UsageError(
            f"contract {source}: {raw['name']!r} can't be plausible: that is said of an optional int or double without a range"
        )
    return Range(**bounds)


def _longest(source: str, raw: dict[str, Any]) -> int | None:
    said = raw.get("max_length")
    if said is None:
        return None
    measured = raw["type"] == "string" or raw["type"] in _SHORT_TYPES
    if not measured or type(said) is not int or not 1 <= said <= _MOST_BYTES:
        raise UsageError(
            f"contract {source}: max_length of {raw['name']!r} must be a whole number from 1 to {_MOST_BYTES:,}, of a string or"
            " of a type with a pattern"
        )
    return said


def parse(raw: dict[str, Any]) -> Contract:
    """Build a contract from its YAML content.

    Raises:
        UsageError: a word, a type or a reference in it is not known; the message names it.
    """
    source, kind = raw["source"], raw["kind"]
    if kind == "event":
        first = {**_EVENT_FIELDS[0], "domain": [raw["event_type"]]}
        listed = [first, *_EVENT_FIELDS[1:], *raw["fields"]]
    elif kind == "reference":
        listed = [*raw["fields"], _EFFECTIVE_FROM]
    else:
        raise UsageError(f"contract {source}: kind must be event or reference, not {kind!r}")
    fields = tuple(_field(source, f) for f in listed)
    if kind == "reference" and sum(f.key for f in fields) != 1:
        raise UsageError(f"contract {source}: exactly one field must be the key")
    _check_names(source, fields, raw)
    return Contract(
        source=source,
        kind=kind,
        title=raw.get("title", source),
        fields=fields,
        enrichment=tuple(Enrichment(**e) for e in raw.get("enrichment", ())),
        amount=raw.get("amount"),
    )


def _check_names(source: str, fields: Sequence[Field], raw: dict[str, Any]) -> None:
    """What a contract says of its own fields must be there; a wrong name must not wait for the first event."""
    before: set[str] = set()
    for f in fields:
        if f.required_if is not None and f.required_if.field not in before:
            raise UsageError(
                f"contract {source}: {f.name} is required if {f.required_if.field!r}, which must stand before it"
            )
        if f.required_if is not None and next(o for o in fields if o.name == f.required_if.field).type != "string":
            raise UsageError(f"contract {source}: {f.name} is required if {f.required_if.field!r}, which is no string")
        if f.domain is not None and not all(isinstance(value, str) for value in f.domain):
            raise UsageError(
                f"contract {source}: the domain of {f.name} must be text; put yes, no and numbers in quotes"
            )
        before.add(f.name)
    _check_paths(source, fields)
    columns = {f.column for f in fields}
    for e in raw.get("enrichment", ()):
        for word in ("tac_of", "key"):
            if word in e and e[word] not in columns:
                raise UsageError(f"contract {source}: enrichment {e['column']}: there is no column {e[word]!r}")
        columns.add(e["column"])
    if raw.get("amount") is not None and raw["amount"] not in columns:
        raise UsageError(f"contract {source}: amount is {raw['amount']!r}, which is no column")


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
        raw = yaml.safe_load(path.read_text())
        if not isinstance(raw, dict):
            continue  # number_plan.yaml is a list
        if raw.get("source") != path.stem:
            raise UsageError(f"{path}: a contract's file is named after its source, {raw.get('source')!r}")
        try:
            found.append(parse(raw))
        except KeyError as error:
            raise UsageError(f"{path}: the word {error} is missing") from None
    _check_references(found)
    found.sort(key=lambda c: (c.is_event, c.source))
    return {c.source: c for c in found}

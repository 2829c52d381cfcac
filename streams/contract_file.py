"""The words that a contract's file may use, and what each must be: a wrong one is told at start, by its place in the file."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lakehouse.errors import UsageError

Type = Literal["string", "int", "double", "money", "bool", "time", "date", "phone", "imei", "tac", "currency"]
# Names of tables and columns, in Iceberg, Trino and ClickHouse alike.
Name = Annotated[str, Field(pattern="^[a-z_][a-z0-9_]*$", max_length=64)]
Text = Annotated[str, Field(min_length=1)]
Number = Annotated[int | float, Field(allow_inf_nan=False)]
# Bytes of UTF-8 that a text may have at most: Trino joins texts of at most 1 MB, and a column here is a cell somewhere.
MOST_BYTES = 65_536


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Bounds(_Words):
    """What is plausible."""

    min: Number | None = None
    max: Number | None = None


class Range(Bounds):
    """What is right; both ends belong to it unless `above` (then greater than `min`)."""

    above: bool = False


class Condition(_Words):
    """Another field's value."""

    field: Text
    value: Text


class FieldWords(_Words):
    """A field."""

    name: Text
    type: Type
    column: Name | None = None
    path: Text | None = None
    alias: Text | None = None
    doc: str = ""
    required: bool = False
    required_if: Condition | None = None
    domain: Annotated[list[Text], Field(min_length=1)] | None = None
    range: Range | None = None
    plausible: Bounds | None = None
    known_in: Name | None = None
    key: bool = False
    max_length: Annotated[int, Field(ge=1, le=MOST_BYTES)] | None = None


class Enrichment(_Words):
    """A silver column looked up when the event arrives: an attribute of a reference record, or an IMEI's TAC.

    With neither it stays null: all event tables have the same columns for a customer, also where nothing tells them.
    """

    column: Name
    reference: Name | None = None
    key: Name | None = None
    attribute: Name | None = None
    tac_of: Name | None = None


class ContractWords(_Words):
    """All of a file."""

    source: Name
    kind: Literal["event", "reference"]
    event_type: Text | None = None
    title: Text | None = None
    amount: Name | None = None
    fields: list[FieldWords]
    enrichment: list[Enrichment] = []


def read(raw: Any) -> ContractWords:
    """What a file holds.

    Raises:
        UsageError: something in it is not understood; the message says where it stands.
    """
    source = raw.get("source") if isinstance(raw, dict) else None
    try:
        return ContractWords.model_validate(raw)
    except ValidationError as error:
        raise UsageError(f"contract {source}: {first_fault(error, raw)}") from None


def first_fault(error: ValidationError, raw: Any) -> str:
    """The first thing that is wrong in what a file holds, by its place."""
    first = error.errors(include_url=False)[0]
    what = f"{first['msg']}, not {first['input']!r:.80}" if first["type"] != "missing" else "is missing"
    return f"{_place(first['loc'], raw)}: {what}"


def _place(steps: tuple[int | str, ...], raw: Any) -> str:
    """Where something stands, a field by its name."""
    place: list[str] = []
    at = raw
    for step in steps:
        if isinstance(at, dict):
            at = at.get(step)
        elif isinstance(at, list) and isinstance(step, int):
            at = at[step]
        elif step in ("int", "float"):
            break
        else:
            at = None
        name = at.get("name") or at.get("column") if isinstance(step, int) and isinstance(at, dict) else None
        place.append(str(name or step))
    return ".".join(place)

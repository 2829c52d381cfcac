"""Silver: the columns of a source's table, and a batch of messages turned into its rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from catalog.schemas import LINEAGE, Column, arrow_schema
from lakehouse.settings import Settings
from streams import message
from streams.batch import RawBatch
from streams.columns import put, where
from streams.contract import Contract, Enrichment, Field
from streams.decode import Decoded, Decoder
from streams.duplicates import DuplicateWindow
from streams.enrich import enrich
from streams.lineage import lineage
from streams.rules import Context, Raw
from streams.validate import Validated, extras, measured_extras, quality_warnings, validate

DUPLICATE = "duplicate:sid"
_TYPE_OF = {
    "string": "string", "int": "long", "double": "double", "money": "money", "bool": "bool", "time": "instant",
    "date": "date", "phone": "string", "imei": "string", "tac": "string", "currency": "string",
}  # fmt: skip
_QUALITY = (
    Column("is_rejected", "bool", "whether the row breaks a rule of its contract"),
    Column("rejection_reason", "string", "the codes of all broken rules, joined by ', '; null if accepted"),
    Column("quality_warnings", "strings", "what was odd but no reason to reject; null if nothing"),
    Column("extra", "string", "JSON: members that the contract does not name, and values that fit no column"),
    Column(
        "raw_value",
        "binary",
        "the message of a row that is rejected or had a text too long, where the source has no bronze table",
    ),
)


def columns(contract: Contract) -> tuple[Column, ...]:
    """The silver columns of a source, in the order of contracts.md."""
    listed: list[Column] = []
    for f in contract.fields:
        if f.name == "effective_from":
            listed.append(Column("is_deleted", "bool", "whether the record deletes its key"))
        listed.append(Column(f.column, _TYPE_OF[f.type], f.doc))
        if f.name == "timestamp":
            listed.append(Column("timestamp_raw", "string", "the timestamp's text where it could not be read"))
    for e in contract.enrichment:
        listed.append(Column(e.column, "string", _said_of(e)))
    return (*listed, *_QUALITY, *LINEAGE)


def _said_of(enrichment: Enrichment) -> str:
    if enrichment.tac_of:
        return f"type allocation code of {enrichment.tac_of}, as known when the event arrived"
    if enrichment.reference:
        return f"{enrichment.attribute} of {enrichment.reference} by {enrichment.key}, as known when the event arrived"
    return "null: these events name nothing that would tell it"


@dataclass(frozen=True)
class SilverBatch:
    """A batch's silver rows (all columns but `ingested_at`) with what others want to know of it."""

    rows: pa.Table
    accepted: int


class SilverWriter:
    """Turns the messages of one source into silver rows. Not thread-safe: one a thread."""

    def __init__(self, contract: Contract, settings: Settings) -> None:
        self._contract = contract
        self._settings = settings
        self._decoder = Decoder(contract)
        schema = arrow_schema(columns(contract))
        self.schema: pa.Schema = pa.schema([f for f in schema if f.name != "ingested_at"])
        self._keep_raw = contract.source in settings.bronze_off

    def rows(self, batch: RawBatch, window: DuplicateWindow, frames: Mapping[str, pl.DataFrame]) -> SilverBatch:
        """Decode, validate, enrich and find duplicates; one row a message.

        Args:
            window: the accepted events of this partition so far; takes in this batch's.
            frames: reference frames by source.
        """
        times = pl.Series(batch.timestamps).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        context = Context(self._settings.time_zone, self._settings.earliest_event_time, times)
        if self._contract.is_event:
            validated = validate(self._contract, self._decoder.decode(batch.values), context)
            added = enrich(self._contract, validated, frames)
            repeated = window.find(validated.columns["event_id"], times, validated.accepted)
            if repeated.any():
                reason = pl.Series([DUPLICATE]).new_from_index(0, len(batch))
                validated.reasons = reason.zip_with(repeated, validated.reasons)
        else:
            validated, added = self._records(batch, context)
        return self._assemble(batch, validated, added)

    def _records(self, batch: RawBatch, context: Context) -> tuple[Validated, dict[str, pl.Series]]:
        """Reference records: a null value deletes the message's key, which is read as its field is."""
        deleted = pl.Series(batch.values.is_null())
        decoded = self._decoder.decode(batch.values)
        if deleted.any():
            decoded = self._deletions(batch, decoded, deleted)
        validated = validate(self._contract, decoded, context)
        effective = validated.columns["effective_from"]
        absent = ~decoded.fields["effective_from"].present
        validated.columns["effective_from"] = context.kafka_timestamp.zip_with(absent & ~validated.malformed, effective)
        return validated, {"is_deleted": where(~validated.malformed, deleted)}

    def _deletions(self, batch: RawBatch, decoded: Decoded, deleted: pl.Series) -> Decoded:
        key: Field = self._contract.key
        rows = deleted.arg_true()
        texts: list[str | None] = []
        unreadable = []
        for row in rows:
            raw = batch.keys[row].as_py()
            try:
                texts.append(message.trimmed(raw.decode("utf-8")) or None if raw is not None else None)
            except UnicodeDecodeError:
                texts.append(None)
                unreadable.append(row)
        malformed = decoded.malformed & ~deleted
        if unreadable:
            malformed = put(malformed, unreadable, True)
        fields = {
            **decoded.fields,
            key.name: Raw(put(decoded.fields[key.name].text, rows, texts), decoded.fields[key.name].bare),
        }
        return Decoded(malformed, fields, decoded.unnamed)

    def _assemble(self, batch: RawBatch, validated: Validated, added: dict[str, pl.Series]) -> SilverBatch:
        rejected = validated.reasons.is_not_null()
        extra = measured_extras(validated, extras(validated, batch.values, self._decoder.extra))
        raw = pa.nulls(len(batch), pa.large_binary())
        if self._keep_raw:
            wanted = rejected
            for code, rows in validated.warnings.items():
                if code.startswith("length:"):
                    wanted = wanted | (rows & ~validated.malformed)
            if wanted.any():
                raw = pc.if_else(wanted.to_arrow(), batch.values, raw)
        made: dict[str, pl.Series] = {
            **validated.columns,
            **added,
            "is_rejected": rejected,
            "rejection_reason": validated.reasons,
            "quality_warnings": quality_warnings(validated.warnings, validated.malformed),
            "extra": extra,
        }
        traced = {**lineage(batch), "raw_value": raw}
        arrays = []
        for f in self.schema:
            array = made[f.name].to_arrow() if f.name in made else traced[f.name]
            arrays.append(array if array.type == f.type else array.cast(f.type))
        return SilverBatch(pa.table(arrays, schema=self.schema), len(batch) - int(rejected.sum()))

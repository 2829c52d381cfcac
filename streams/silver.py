"""Silver: the columns of a source's table, and a batch of messages turned into its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from catalog.schemas import LINEAGE, Column, arrow_schema
from lakehouse.settings import Settings
from streams import message
from streams.batch import RawBatch, Stack
from streams.contract import Contract
from streams.contract_file import Enrichment
from streams.decode import Decoder
from streams.duplicates import DuplicateWindow
from streams.enrich import enrich
from streams.kernel.history import History
from streams.lineage import INSTANT, lineage
from streams.rules import Context
from streams.rules.reading import Mask
from streams.validate import DUPLICATE, Validated, extras, measured_extras, validate

Ints = npt.NDArray[np.int64]
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

    def rows(self, batch: RawBatch, window: DuplicateWindow, known: Mapping[str, History]) -> SilverBatch:
        """The rows of one batch; see `rows_of_all`."""
        return self.rows_of_all([(batch, window)], known)[0]

    def rows_of_all(
        self, parts: Sequence[tuple[RawBatch, DuplicateWindow]], known: Mapping[str, History]
    ) -> list[SilverBatch]:
        """Decode, validate, enrich and find duplicates; one row a message.

        Args:
            parts: batches of a topic, each with the accepted events of its partition so far, which takes in the batch's.
            known: what is known of reference records, by source.
        Returns:
            the rows of each part.
        """
        batch, ends = Stack.of([part for part, _ in parts]), np.cumsum([len(part) for part, _ in parts])
        context = Context(self._settings.time_zone, self._settings.earliest_event_time, batch.timestamps)
        if not self._contract.is_event:
            validated, added = self._records(batch, context)
            return self._parted(self._assemble(batch, validated, added), validated.rejected, ends)
        validated = validate(self._contract, self._decoder.decode(batch.values), context)
        added = enrich(self._contract, validated, batch.timestamps, known)
        repeated = self._repeated(batch, validated, ends, [window for _, window in parts])
        if repeated.any():
            validated.codes[DUPLICATE] = repeated
        return self._parted(self._assemble(batch, validated, added), validated.rejected, ends)

    def _repeated(self, batch: Stack, validated: Validated, ends: Ints, windows: list[DuplicateWindow]) -> Mask:
        """The duplicates of each part, in its own window."""
        ids, times = pl.Series(validated.columns["event_id"]), pl.Series(batch.timestamps)
        good, found, begin = pl.Series(~validated.rejected), [], 0
        for end, window in zip(ends.tolist(), windows, strict=True):
            part = slice(begin, end)
            found.append(window.find(ids[part], times[part], good[part]).to_numpy())
            begin = end
        return np.concatenate(found)

    @staticmethod
    def _parted(rows: pa.Table, rejected: Mask, ends: Ints) -> list[SilverBatch]:
        """The rows of each part, without a copy."""
        begins = [0, *ends[:-1].tolist()]
        return [
            SilverBatch(rows.slice(begin, end - begin), end - begin - int(rejected[begin:end].sum()))
            for begin, end in zip(begins, ends.tolist(), strict=True)
        ]

    def _records(self, batch: Stack, context: Context) -> tuple[Validated, dict[str, pa.Array]]:
        """Reference records: a null value deletes the message's key, which is read as its field is."""
        deleted = np.asarray(pc.is_null(batch.values))
        values = self._with_deletions(batch, deleted) if deleted.any() else batch.values
        decoded = self._decoder.decode(values)
        validated = validate(self._contract, decoded, context)
        absent = ~decoded.fields["effective_from"].present & ~validated.malformed
        arrived = pa.array(batch.timestamps, pa.int64()).cast(INSTANT)
        validated.columns["effective_from"] = pc.if_else(absent, arrived, validated.columns["effective_from"])
        return validated, {"is_deleted": pa.array(deleted, mask=validated.malformed)}

    def _with_deletions(self, batch: Stack, deleted: Mask) -> pa.Array:
        """The messages, a deletion being one of nothing but its key; a key that is no text makes it malformed."""
        name, written = self._contract.key.name, []
        for raw in batch.keys.take(pa.array(np.flatnonzero(deleted))).to_pylist():
            try:
                key = {} if raw is None else {name: raw.decode("utf-8")}
                written.append(message.dump(key).encode())
            except UnicodeDecodeError:
                written.append(b"")
        return pc.replace_with_mask(batch.values, pa.array(deleted), pa.array(written, batch.values.type))

    def _assemble(self, batch: Stack, validated: Validated, added: dict[str, pa.Array]) -> pa.Table:
        rejected = validated.rejected
        extra = measured_extras(validated, extras(validated, batch.values, self._decoder.extra))
        raw = pa.nulls(len(batch), pa.large_binary())
        if self._keep_raw:
            wanted = rejected
            for code, rows in validated.warnings.items():
                if code.startswith("length:"):
                    wanted = wanted | (rows & ~validated.malformed)
            if wanted.any():
                raw = pc.if_else(wanted, batch.values, raw)
        made: dict[str, pa.Array] = {
            **validated.columns,
            **added,
            "is_rejected": pa.array(rejected),
            "rejection_reason": validated.reasons,
            "quality_warnings": validated.quality_warnings,
            "extra": extra,
        }
        traced = {**lineage(batch.parts), "raw_value": raw}
        arrays = []
        for f in self.schema:
            array = made[f.name] if f.name in made else traced[f.name]
            arrays.append(array if array.type == f.type else array.cast(f.type))
        return pa.table(arrays, schema=self.schema)

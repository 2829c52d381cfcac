"""Enrichment columns and `unknown:` warnings: what the reference records say at the moment an event arrives."""

import weakref
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from streams.contract import Contract
from streams.kernel.keys import Keys
from streams.kernel.phones import tacs
from streams.validate import Validated


class _Records:
    """Reference records, one a key, with an index of their keys."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._columns = {name: frame[name].rechunk().to_arrow() for name in frame.columns}
        self._keys = Keys(self._columns[frame.columns[0]])

    def find(self, keys: pa.Array) -> npt.NDArray[np.int64]:
        """The record of each key; -1: none."""
        return self._keys.find(keys)

    def take(self, attribute: str, rows: pa.Array) -> pa.Array:
        """An attribute of the records of some rows; null where there is none."""
        return self._columns[attribute].take(rows)


# A frame is indexed once, however many threads enrich by it, and as long as it lives.
_INDEXED: dict[int, _Records] = {}


def _records(frame: pl.DataFrame) -> _Records:
    found = _INDEXED.get(id(frame))
    if found is None:
        found = _INDEXED[id(frame)] = _Records(frame)
        weakref.finalize(frame, _INDEXED.pop, id(frame), None)
    return found


def enrich(contract: Contract, validated: Validated, frames: Mapping[str, pl.DataFrame]) -> dict[str, pa.Array]:
    """The contract's enrichment columns; also adds the `unknown:` warnings to the batch, in the contract's order.

    Args:
        frames: one reference frame a source, unique by its first column, the key.
    """
    columns: dict[str, pa.Array] = {}
    for e in contract.enrichment:
        if e.tac_of is not None:
            columns[e.column] = tacs(validated.columns[e.tac_of])
    available = {**validated.columns, **columns}
    for (reference, key), wanted in _lookups(contract).items():
        records = _records(frames[reference])
        found = records.find(available[key])
        rows = pa.array(found, mask=found < 0)
        for column, attribute in wanted:
            columns[column] = records.take(attribute, rows)
    _warn_unknown(contract, validated, frames)
    none = pa.nulls(len(validated.malformed), pa.large_string())
    return {e.column: columns.get(e.column, none) for e in contract.enrichment}


def _lookups(contract: Contract) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """By (reference, key column): the columns to fill, each with its attribute. One look-up serves them all."""
    lookups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for e in contract.enrichment:
        if e.reference and e.key and e.attribute:
            lookups.setdefault((e.reference, e.key), []).append((e.column, e.attribute))
    return lookups


def _warn_unknown(contract: Contract, validated: Validated, frames: Mapping[str, pl.DataFrame]) -> None:
    unknown = {}
    for f in contract.fields:
        if f.known_in is None:
            continue
        values = validated.columns[f.column]
        keys = tacs(values) if f.type == "imei" else values
        rows = np.asarray(keys.is_valid()) & (_records(frames[f.known_in]).find(keys) < 0)
        if rows.any():
            unknown[f"unknown:{f.name}"] = rows
    if unknown:
        place = {f.name: i for i, f in enumerate(contract.fields)}
        merged = {**validated.warnings, **unknown}
        validated.warnings = {
            code: merged[code] for code in sorted(merged, key=lambda code: place[code.split(":", 1)[1]])
        }

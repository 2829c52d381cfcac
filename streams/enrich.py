"""Enrichment columns and `unknown:` warnings: what the reference records say at the moment an event arrives."""

import weakref
from collections.abc import Mapping
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from streams.contract import Contract
from streams.kernel.keys import Keys
from streams.kernel.phones import tacs
from streams.rules.reading import Mask
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
    tac_of = {e.tac_of: e.column for e in contract.enrichment if e.tac_of is not None}
    for f in contract.fields:
        if f.type == "imei" and f.known_in is not None:
            tac_of.setdefault(f.column, f"TAC of {f.column}")
    keys = {**validated.columns, **{column: tacs(validated.columns[imei]) for imei, column in tac_of.items()}}
    keys |= {e.column: keys[tac_of[e.tac_of]] for e in contract.enrichment if e.tac_of is not None}

    @cache  # a column is enriched by, and held against, the same reference
    def find(reference: str, key: str) -> npt.NDArray[np.int64]:
        return _records(frames[reference]).find(keys[key])

    columns = {e.column: keys[e.column] for e in contract.enrichment if e.tac_of is not None}
    for (reference, key), wanted in _lookups(contract).items():
        found = find(reference, key)
        rows = pa.array(found, mask=found < 0)
        for column, attribute in wanted:
            columns[column] = _records(frames[reference]).take(attribute, rows)
    unknown = {}
    for f in contract.fields:
        if f.known_in is not None:
            key = tac_of[f.column] if f.type == "imei" else f.column
            unknown[f"unknown:{f.name}"] = np.asarray(keys[key].is_valid()) & (find(f.known_in, key) < 0)
    _warn(contract, validated, {code: rows for code, rows in unknown.items() if rows.any()})
    none = pa.nulls(len(validated.malformed), pa.large_string())
    return {e.column: columns.get(e.column, none) for e in contract.enrichment}


def _lookups(contract: Contract) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """By (reference, key column): the columns to fill, each with its attribute. One look-up serves them all."""
    lookups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for e in contract.enrichment:
        if e.reference and e.key and e.attribute:
            lookups.setdefault((e.reference, e.key), []).append((e.column, e.attribute))
    return lookups


def _warn(contract: Contract, validated: Validated, unknown: dict[str, Mask]) -> None:
    """Put warnings between the others, in the contract's order."""
    if unknown:
        place = {f.name: i for i, f in enumerate(contract.fields)}
        merged = {**validated.warnings, **unknown}
        validated.warnings = {
            code: merged[code] for code in sorted(merged, key=lambda code: place[code.split(":", 1)[1]])
        }

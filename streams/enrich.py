"""Enrichment columns and `unknown:` warnings: what the reference records say of the moment at which an event arrived."""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.contract import Contract
from streams.kernel.history import History
from streams.kernel.phones import tacs
from streams.rules.reading import Mask
from streams.validate import Validated


def enrich(
    contract: Contract, validated: Validated, arrived: npt.NDArray[np.int64], histories: Mapping[str, History]
) -> dict[str, pa.Array]:
    """The contract's enrichment columns; also adds the `unknown:` warnings to the batch, in the contract's order.

    Args:
        arrived: the events' Kafka times, in µs since 1970 UTC: what holds from later on says nothing of them yet.
        histories: what is known, by reference source.
    """
    tac_of = {e.tac_of: e.column for e in contract.enrichment if e.tac_of is not None}
    for f in contract.fields:
        if f.type == "imei" and f.known_in is not None:
            tac_of.setdefault(f.column, f"TAC of {f.column}")
    keys = {**validated.columns, **{column: tacs(validated.columns[imei]) for imei, column in tac_of.items()}}
    keys |= {e.column: keys[tac_of[e.tac_of]] for e in contract.enrichment if e.tac_of is not None}
    columns = {e.column: keys[e.column] for e in contract.enrichment if e.tac_of is not None}
    held = {
        f.name: (f.known_in, tac_of[f.column] if f.type == "imei" else f.column) for f in contract.fields if f.known_in
    }
    known: dict[tuple[str, str], Mask] = {}
    # a column is enriched by, and held against, the same reference
    for (reference, key), wanted in _lookups(contract, held.values()).items():
        known[reference, key], found = histories[reference].look_up(keys[key], arrived, {a for _, a in wanted})
        columns |= {column: found[attribute] for column, attribute in wanted}
    unknown = {f"unknown:{name}": np.asarray(keys[key].is_valid()) & ~known[r, key] for name, (r, key) in held.items()}
    _warn(contract, validated, {code: rows for code, rows in unknown.items() if rows.any()})
    none = pa.nulls(len(validated.malformed), pa.large_string())
    return {e.column: columns.get(e.column, none) for e in contract.enrichment}


def attributes_of(contracts: Mapping[str, Contract]) -> dict[str, tuple[str, ...]]:
    """By reference source the attributes that events are enriched by, in their order."""
    wanted: dict[str, set[str]] = {name: set() for name, c in contracts.items() if not c.is_event}
    for contract in contracts.values():
        for e in contract.enrichment:
            if e.reference and e.key and e.attribute:
                wanted[e.reference].add(e.attribute)
    return {name: tuple(sorted(found)) for name, found in wanted.items()}


def nothing_known(contracts: Mapping[str, Contract]) -> dict[str, History]:
    """By reference source that no record was seen."""
    return {name: History(attributes) for name, attributes in attributes_of(contracts).items()}


def _lookups(contract: Contract, held: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """By (reference, key column): the columns to fill, each with its attribute. One look-up serves them all."""
    lookups: dict[tuple[str, str], list[tuple[str, str]]] = {key: [] for key in held}
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

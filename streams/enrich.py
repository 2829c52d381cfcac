"""Enrichment columns and `unknown:` warnings: what the reference records say at the moment an event arrives."""

from collections.abc import Mapping

import polars as pl

from streams.columns import nulls, where
from streams.contract import Contract
from streams.validate import Validated

TAC_DIGITS = 8


def enrich(contract: Contract, validated: Validated, frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.Series]:
    """The contract's enrichment columns; also adds the `unknown:` warnings to the batch, in the contract's order.

    Args:
        frames: one reference frame a source, unique by its first column, the key.
    """
    columns: dict[str, pl.Series] = {}
    for e in contract.enrichment:
        if e.tac_of is not None:
            columns[e.column] = tacs(validated.columns[e.tac_of])
    available = {**validated.columns, **columns}
    for (reference, key), wanted in _lookups(contract).items():
        found = _look_up(available[key], frames[reference], sorted({attribute for _, attribute in wanted}))
        for column, attribute in wanted:
            columns[column] = found[attribute]
    _warn_unknown(contract, validated, frames)
    count = len(validated.malformed)
    return {
        e.column: columns[e.column] if e.column in columns else nulls(count, pl.String) for e in contract.enrichment
    }


def tacs(imei: pl.Series) -> pl.Series:
    """The first 8 digits of valid IMEIs (15 ASCII digits), null elsewhere."""
    return where(imei.str.contains("^[0-9]{15}$").fill_null(False), imei.str.head(TAC_DIGITS))


def _lookups(contract: Contract) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """By (reference, key column): the columns to fill, each with its attribute. One join serves them all."""
    lookups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for e in contract.enrichment:
        if e.reference and e.key and e.attribute:
            lookups.setdefault((e.reference, e.key), []).append((e.column, e.attribute))
    return lookups


def _look_up(keys: pl.Series, frame: pl.DataFrame, attributes: list[str]) -> pl.DataFrame:
    key = frame.columns[0]
    wanted = frame.select(key, *attributes)
    return pl.DataFrame({key: keys}).join(wanted, on=key, how="left", maintain_order="left")


def _warn_unknown(contract: Contract, validated: Validated, frames: Mapping[str, pl.DataFrame]) -> None:
    unknown: dict[str, pl.Series] = {}
    for f in contract.fields:
        if f.known_in is None:
            continue
        values = validated.columns[f.column]
        keys = tacs(values) if f.type == "imei" else values
        frame = frames[f.known_in]
        rows = keys.is_not_null() & ~keys.is_in(frame[frame.columns[0]].implode()).fill_null(True)
        if rows.any():
            unknown[f"unknown:{f.name}"] = rows
    if unknown:
        place = {f.name: i for i, f in enumerate(contract.fields)}
        merged = {**validated.warnings, **unknown}
        validated.warnings = {
            code: merged[code] for code in sorted(merged, key=lambda code: place[code.split(":", 1)[1]])
        }

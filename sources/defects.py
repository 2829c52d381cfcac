"""Puts defects into good messages, and knows exactly what must become of each message."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from lakehouse.errors import UsageError, did_you_mean
from sources.faults import Defect
from sources.numbers import Ints
from sources.rhythm import ClockChange

DEFAULT_SHARE, DEFAULT_DUPLICATES = 0.05, 0.02
DUPLICATES = "duplicates"
DUPLICATE_CODE = "duplicate:sid"
# half of the copies come within this many messages of the original, as a producer's retries do
COPY_DISTANCE = 500


@dataclass(frozen=True)
class Shares:
    """How many of all messages get which defect: shares by the defect's name, and the share of copies."""

    planted: Mapping[str, float]
    duplicates: float


def parse_shares(text: str, defects: Mapping[str, Sequence[Defect]]) -> dict[str, Shares]:
    """Read `--defects`: a share for all kinds together, `none`, or `name=share` pairs joined by commas.

    A name is a group (`malformed`, divided evenly among its kinds) or one kind (`range:amount`), or `duplicates`. A
    bare share keeps the default share of duplicates; of pairs only what is named is put in. Shares are of each source's
    own messages; a source that lacks the named defect gets none.

    Args:
        defects: those of each source.

    Returns:
        The shares of each source.

    Raises:
        UsageError: a name that no source has, a share that is no number, or more than 0.9 in all.
    """
    if text.strip().lower() in ("none", "0"):
        return {source: Shares({}, 0.0) for source in defects}
    planted: dict[str, dict[str, float]] = {source: {} for source in defects}
    duplicates = 0.0
    for part in text.split(","):
        name, equals, amount = (piece.strip() for piece in part.partition("="))
        share = _share(part, amount if equals else name)
        if not equals:
            duplicates = DEFAULT_DUPLICATES
        if name == DUPLICATES:
            duplicates = share
            continue
        for source, chosen in (_named(name, defects) if equals else defects).items():
            planted[source] |= {defect.name: share / len(chosen) for defect in chosen}
    total = max(math.fsum(shares.values()) for shares in planted.values()) + duplicates
    # a share divided among the kinds of a group and added up again may be a little more
    if total > 0.9 + 1e-9:
        raise UsageError(f"--defects {text}: {total:g} of all messages; at most 0.9, some must stay good.")
    return {source: Shares(shares, duplicates) for source, shares in planted.items()}


def _share(part: str, number: str) -> float:
    try:
        share = float(number)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(
            f"--defects: {part.strip()!r} is no share; write 0.05, none, or pairs (malformed=0.01,duplicates=0.05)."
        )
    return share


def _named(name: str, defects: Mapping[str, Sequence[Defect]]) -> dict[str, list[Defect]]:
    """The defects of that name or group, of each source that has any."""
    chosen = {source: [d for d in kinds if name in (d.name, d.group)] for source, kinds in defects.items()}
    chosen = {source: kinds for source, kinds in chosen.items() if kinds}
    if not chosen:
        everything = [defect for kinds in defects.values() for defect in kinds]
        groups = [*dict.fromkeys(defect.group for defect in everything), DUPLICATES]
        hint = did_you_mean(name, [*groups, *(defect.name for defect in everything)])
        raise UsageError(
            f"--defects: no defect is called {name!r}.{hint} Groups: {', '.join(groups)}; "
            f"kinds are written as missing:amount, range:timestamp, warning:rounded_amount."
        )
    return chosen


def available(defects: Sequence[Defect], clock: ClockChange, one_line: bool = False) -> tuple[Defect, ...]:
    """The defects that can be made: where clocks never change there is no such time; files hold one-line messages."""
    return tuple(
        defect
        for defect in defects
        if (defect.needs is None or getattr(clock, defect.needs)) and (defect.fits_a_line or not one_line)
    )


def plant(
    messages: pl.DataFrame, plan: Sequence[Defect], counts: Ints, draw: np.random.Generator, clock: ClockChange
) -> pl.DataFrame:
    """Put defects into good messages, at random places.

    Args:
        messages: columns `key`, `value`, and others that are handed on.
        counts: how many messages each defect of the plan gets; together at most all.

    Returns:
        The same rows with three more columns: `defect` (null for a good message), `codes` (rejection reasons joined
        by `, `, null if accepted) and `warnings` (joined alike, null if none).
    """
    rows = draw.choice(messages.height, size=int(counts.sum()), replace=False) if messages.height else ()
    values: list[bytes | None] = messages["value"].to_list()
    which: list[int | None] = [None] * messages.height
    numbers = np.repeat(np.arange(len(plan)), counts).tolist()
    for row, number in zip(rows, numbers, strict=True):
        values[row] = _damaged(values[row] or b"", plan[number], int(draw.integers(0, 1 << 30)), clock)
        which[row] = number
    chosen = pl.Series(which, dtype=pl.Int64)
    return messages.with_columns(
        pl.Series("value", values, dtype=pl.Binary),
        _gather([defect.name for defect in plan], chosen).alias("defect"),
        _gather([", ".join(defect.codes) or None for defect in plan], chosen).alias("codes"),
        _gather([", ".join(defect.warnings) or None for defect in plan], chosen).alias("warnings"),
    )


def _gather(values: list[str | None] | list[str], rows: pl.Series) -> pl.Series:
    return pl.Series(values, dtype=pl.String).gather(rows)


def divided(total: int, weights: NDArray[np.float64], draw: np.random.Generator) -> Ints:
    """Whole numbers that add up to the total, each within 1 of its share; chance decides who gets the odd ones."""
    if not len(weights):
        return np.zeros(0, dtype=np.int64)
    order = draw.permutation(len(weights))
    edges = np.cumsum(weights[order])
    # a random offset: else of a small total always the same places would get something
    ends = np.floor(edges / edges[-1] * total + draw.random()).astype(np.int64)
    ends[-1] = total
    counts = np.zeros(len(weights), dtype=np.int64)
    counts[order] = np.diff(ends.clip(0, total), prepend=0)
    return counts


def _damaged(value: bytes, defect: Defect, turn: int, clock: ClockChange) -> bytes | None:
    if defect.change:
        message = orjson.loads(value)
        defect.change(message, turn, clock)
        value = orjson.dumps(message)
    return defect.rewrite(value) if defect.rewrite else value


def add_copies(messages: pl.DataFrame, count: int, draw: np.random.Generator, earlier: pl.DataFrame) -> pl.DataFrame:
    """Add byte-for-byte copies of accepted messages, each behind its original, with the same key.

    Args:
        messages: as `plant` gives them.
        earlier: accepted messages of before, of which there may be copies too; with the same columns.

    Returns:
        The rows in the order to send them; a copy's `codes` is `duplicate:sid`, its `defect` is `duplicates`.
    """
    pool = pl.concat([earlier, messages])
    accepted = np.flatnonzero(pool["codes"].is_null().to_numpy())
    if not count or not len(accepted):
        return messages
    originals = draw.choice(accepted, size=count)
    distance = draw.exponential(COPY_DISTANCE / math.log(2), count).astype(np.int64)
    place = (originals + distance).clip(earlier.height - 1, pool.height - 1)
    copies = pool[originals].with_columns(pl.lit(DUPLICATES).alias("defect"), pl.lit(DUPLICATE_CODE).alias("codes"))
    order = np.argsort(np.concatenate([np.arange(pool.height) * 2, place * 2 + 1]), kind="stable")
    return pl.concat([pool, copies])[order[order >= earlier.height]]

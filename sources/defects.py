"""Puts defects into good messages, and knows exactly what must become of each message."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
import polars as pl

from lakehouse.errors import UsageError
from sources.faults import Defect
from sources.numbers import Ints
from sources.rhythm import ClockChange

DEFAULT_SHARE, DEFAULT_DUPLICATES = 0.05, 0.02
DUPLICATES = "duplicates"
DUPLICATE_CODE = "duplicate:sid"
# half of the copies come within this many messages of the original, as a producer's retries do
_COPY_DISTANCE = 500


@dataclass(frozen=True)
class Shares:
    """How many of all messages get which defect: shares by the defect's name, and the share of copies."""

    planted: Mapping[str, float]
    duplicates: float


def parse_shares(text: str, defects: Sequence[Defect]) -> Shares:
    """Read `--defects`: a share for all kinds together, `none`, or `name=share` pairs joined by commas.

    A name is a group (`malformed`, divided evenly among its kinds) or one kind (`range:amount`), or `duplicates`. A
    bare share keeps the default share of duplicates; of pairs only what is named is put in.

    Raises:
        UsageError: a name that does not exist, a share that is no number, or more than 0.9 in all.
    """
    if text.strip().lower() in ("none", "0"):
        return Shares({}, 0.0)
    planted: dict[str, float] = {}
    duplicates = 0.0
    for part in text.split(","):
        name, equals, amount = (piece.strip() for piece in part.partition("="))
        if not equals:
            share, duplicates = _share(part, name), DEFAULT_DUPLICATES
            planted |= dict.fromkeys((d.name for d in defects), share / len(defects))
        elif name == DUPLICATES:
            duplicates = _share(part, amount)
        else:
            chosen = _named(name, defects)
            planted |= dict.fromkeys((d.name for d in chosen), _share(part, amount) / len(chosen))
    total = math.fsum(planted.values()) + duplicates
    if total > 0.9:
        raise UsageError(f"--defects {text}: {total:g} of all messages; at most 0.9, some must stay good.")
    return Shares(planted, duplicates)


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


def _named(name: str, defects: Sequence[Defect]) -> list[Defect]:
    chosen = [defect for defect in defects if name in (defect.name, defect.group)]
    if not chosen:
        groups = list(dict.fromkeys(defect.group for defect in defects))
        near = difflib.get_close_matches(name, [*groups, DUPLICATES, *(defect.name for defect in defects)], n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"--defects: no defect is called {name!r}.{hint} Groups: {', '.join([*groups, DUPLICATES])}.")
    return chosen


def available(defects: Sequence[Defect], clock: ClockChange, one_line: bool = False) -> tuple[Defect, ...]:
    """The defects that can be made: where clocks never change there is no such time; files hold one-line messages."""
    return tuple(
        defect
        for defect in defects
        if (defect.needs is None or getattr(clock, defect.needs)) and (defect.fits_a_line or not one_line)
    )


def plant(
    messages: pl.DataFrame,
    defects: Sequence[Defect],
    shares: Shares,
    draw: np.random.Generator,
    clock: ClockChange,
) -> pl.DataFrame:
    """Put the planned number of each defect into good messages, at random places.

    Args:
        messages: columns `key`, `value`, and others that are handed on.

    Returns:
        The same rows with three more columns: `defect` (null for a good message), `codes` (rejection reasons joined
        by `, `, null if accepted) and `warnings` (joined alike, null if none).
    """
    plan = [defect for defect in defects if shares.planted.get(defect.name)]
    # shares are of all messages, the copies that are added later included
    total = round(messages.height / (1 - shares.duplicates))
    counts = _counts(draw, np.array([shares.planted[defect.name] for defect in plan]) * total)
    rows = draw.choice(messages.height, size=min(int(counts.sum()), messages.height), replace=False)
    values: list[bytes | None] = messages["value"].to_list()
    which: list[int | None] = [None] * messages.height
    numbers = np.repeat(np.arange(len(plan)), counts)
    for row, number in zip(rows.tolist(), numbers.tolist(), strict=False):
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


def _counts(draw: np.random.Generator, wanted: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Ints:
    """Whole numbers near the wanted ones, with the rounded sum of all; chance decides who gets the odd ones."""
    order = draw.permutation(len(wanted))
    ends = np.rint(np.cumsum(wanted[order])).astype(np.int64)
    counts = np.zeros(len(wanted), dtype=np.int64)
    counts[order] = np.diff(ends, prepend=0)
    return counts


def _damaged(value: bytes, defect: Defect, turn: int, clock: ClockChange) -> bytes | None:
    if defect.change:
        message = orjson.loads(value)
        defect.change(message, turn, clock)
        value = orjson.dumps(message)
    return defect.rewrite(value) if defect.rewrite else value


def add_copies(messages: pl.DataFrame, count: int, draw: np.random.Generator) -> pl.DataFrame:
    """Add byte-for-byte copies of accepted messages, each behind its original, with the same key.

    Returns:
        The rows in the order to send them; a copy's `codes` is `duplicate:sid`, its `defect` is `duplicates`.
    """
    accepted = np.flatnonzero(messages["codes"].is_null().to_numpy())
    if not count or not len(accepted):
        return messages
    originals = draw.choice(accepted, size=count)
    distance = draw.exponential(_COPY_DISTANCE / math.log(2), count).astype(np.int64)
    place = np.minimum(originals + distance, messages.height - 1)
    copies = messages[originals].with_columns(pl.lit(DUPLICATES).alias("defect"), pl.lit(DUPLICATE_CODE).alias("codes"))
    order = np.argsort(np.concatenate([np.arange(messages.height) * 2, place * 2 + 1]), kind="stable")
    return pl.concat([messages, copies])[order]

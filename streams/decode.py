"""From message bytes to one JSON text a field: exactly one row a message, in order.

The fast path is DuckDB's JSON reader over a column of messages (1.3 CPU seconds per million calls for the values). It is lax
where RFC 8259 is not, so a row takes it only if that cannot matter: valid for DuckDB, no comma before a closing bracket, no
bare NaN or Infinity, and a *shape* (the names at each level, in order) that the contract knows without repetition or double
spelling. Shapes are few; each is judged once. All other rows go through `message.parse`, one by one.
"""

import json
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from streams import message
from streams.columns import no_rows, nulls, put
from streams.contract import Contract

# A comma before a closing bracket, or a bare word that DuckDB's reader takes for a number. May also match inside strings:
# then the row takes the slow path for nothing. Such a row has one of these pairs of characters, which most have not, and which
# are found in a quarter of the time.
_LAX_PAIRS = [",}", ",]", *(last + closing for last in "nNfFyY \t\n\r" for closing in ",}]")]
_LAX = r",\s*[}\]]|(?i:nan|inf|infinity)\s*[,}\]]"
# A number with a point, an exponent or more than 64 bits goes through a double in DuckDB; up to 15 digits without an exponent
# that loses nothing. Doubles and money are read as doubles anyway (contracts.md, "Types").
_THROUGH_DOUBLE = r"^-?[0-9]+[.eE]"
_MAY_LOSE = r"[0-9.]{17}|[0-9][eE]"
# Producers have a handful of shapes; random messages have any number, and must not fill the memory.
_SHAPES_KEPT = 4096
# Messages of a batch that is no UTF-8 as a whole are read one by one once so few are left.
_READ_SINGLY = 64
_READ_AS_DOUBLE = frozenset({"double", "money"})


@dataclass(frozen=True)
class Decoded:
    """A batch of messages, one row each.

    Attributes:
        malformed: which rows are no JSON object.
        fields: by field name, the JSON text of the spelling that counts; null where absent, null or malformed.
        unnamed: which rows have members that the contract does not name.
    """

    malformed: pl.Series
    fields: dict[str, pl.Series]
    unnamed: pl.Series

    def __len__(self) -> int:
        return len(self.malformed)


@dataclass(frozen=True)
class _Shape:
    """What a sequence of member names means: plain (fast path may read it), the brackets it needs, the fields it holds."""

    plain: bool
    brackets: int
    present: frozenset[tuple[str, ...]]


class Decoder:
    """Reads the messages of one source. Not thread-safe: one a thread."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._group_names = contract.groups
        self._groups = sorted(self._group_names)
        paths = ", ".join(f"'{p}'" for p in ["$", *(f'$."{g}"' for g in self._groups)])
        self._names = f"json_keys(j, [{paths}])"
        self._field_of = {path: f.name for path, f in contract.spellings()}
        self._named = frozenset(self._field_of)
        self._shapes: dict[int, _Shape] = {}
        self._duckdb = duckdb.connect(config={"threads": 1})

    def decode(self, values: pa.Array) -> Decoded:
        """Read a binary (or null) array of messages."""
        text = _as_text(values)
        plain, present = self._plain_rows(text)
        fields = self._extract(text, plain, present)
        slow = (~plain | self._lossy(fields, text)).arg_true()
        if not len(slow):
            none = no_rows(len(values))
            return Decoded(none, fields, none)
        return self._read_slowly(values, slow, fields)

    def _plain_rows(self, text: pl.Series) -> tuple[pl.Series, frozenset[tuple[str, ...]]]:
        """Which rows the fast path reads exactly, and which paths they hold."""
        read = self._query(
            f"""select coalesce(v, false) as valid, case when v then hash({self._names}) end as shape
            from (select j, json_valid(j) as v from batch)""",
            text,
        )
        if len(self._shapes) > _SHAPES_KEPT:
            self._shapes.clear()
        shapes = pl.DataFrame({"shape": read["shape"], "valid": read["valid"], "row": range(len(text))}).filter("valid")
        first = shapes.group_by("shape").agg(pl.col("row").first())
        self._learn(first.filter(~pl.col("shape").is_in(list(self._shapes))), text)
        brackets = {s: self._shapes[s].brackets for s in first["shape"] if self._shapes[s].plain}
        present = frozenset[tuple[str, ...]]().union(*(self._shapes[s].present for s in brackets))
        needed = read["shape"].replace_strict(brackets, default=None, return_dtype=pl.UInt32)
        plain = (read["valid"] & (text.str.count_matches(r"[{\[]") == needed)).fill_null(False)
        return plain & ~_lax(text), present

    def _learn(self, unseen: pl.DataFrame, text: pl.Series) -> None:
        """Judge shapes that were not seen before, each by the names in one of its messages."""
        if unseen.is_empty():
            return
        names = self._query(f"select {self._names} as names from batch", text.gather(unseen["row"]))["names"]
        for shape, levels in zip(unseen["shape"], names.to_list(), strict=True):
            self._shapes[shape] = self._judge(levels)

    def _judge(self, levels: list[list[str] | None]) -> _Shape:
        """What a shape means.

        Args:
            levels: the names of the message's members, then of each group's.
        """
        top, groups = levels[0] or [], dict(zip(self._groups, levels[1:], strict=True))
        # Without member names a shape can't tell `{}` from `[]`, null or a text.
        certain = bool(top) and all(groups[name] for name in top if name in groups)
        paths = [(name,) for name in top if name not in groups]
        leaves = [*paths, *((g, inner) for g in groups if g in top for inner in groups[g] or ())]
        names = [self._field_of.get(path) for path in leaves]
        plain = certain and None not in names and len(set(names)) == len(names) and len(set(top)) == len(top)
        return _Shape(plain, 1 + sum(name in groups for name in top), frozenset(leaves))

    def _extract(self, text: pl.Series, plain: pl.Series, present: frozenset[tuple[str, ...]]) -> dict[str, pl.Series]:
        """The JSON text of each field in the plain rows, null elsewhere."""
        empty = nulls(len(text), pl.String)
        if not present or not plain.any():
            return {f.name: empty for f in self._contract.fields}
        structure: dict[str, Any] = {}
        for path in sorted(present):
            target = structure.setdefault(path[0], {}) if len(path) > 1 else structure
            target[path[-1]] = "JSON"
        clean = text if plain.all() else pl.select(pl.when(plain).then(text)).to_series()
        rows = self._query(f"select from_json(j, '{json.dumps(structure)}') as m from batch", clean)[
            "m"
        ].struct.unnest()
        columns: dict[str, pl.Series] = {}
        groups = {g: rows[g].struct.unnest() for g in self._groups if g in structure}
        for f in self._contract.fields:
            spelt = [groups[p[0]][p[1]] if len(p) > 1 else rows[p[0]] for p in f.paths if p in present]
            column = spelt[0] if spelt else empty
            for other in spelt[1:]:
                column = column.zip_with(column.is_not_null(), other)
            columns[f.name] = column
        return columns

    def _lossy(self, fields: dict[str, pl.Series], text: pl.Series) -> pl.Series:
        """Rows in which a number that must be exact may have lost digits."""
        suspect = no_rows(len(text))
        for f in self._contract.fields:
            if f.type in _READ_AS_DOUBLE:
                continue
            column = fields[f.name]
            bare = (~column.str.starts_with('"')).arg_true()  # strings are never numbers, and most values are strings
            if len(bare):
                rows = bare.filter(column.gather(bare).str.contains(_THROUGH_DOUBLE))
                suspect = put(suspect, rows, text.gather(rows).str.contains(_MAY_LOSE) | suspect.gather(rows))
        return suspect

    def _query(self, query: str, text: pl.Series) -> pl.DataFrame:
        batch = pa.table({"j": text.to_arrow()})
        self._duckdb.register("batch", batch)
        try:
            return pl.from_arrow(self._duckdb.sql(query).to_arrow_table())  # type: ignore[return-value]
        finally:
            self._duckdb.unregister("batch")

    def _read_slowly(self, values: pa.Array, slow: pl.Series, fields: dict[str, pl.Series]) -> Decoded:
        """Read the given rows one by one and put them into the columns."""
        malformed, with_unnamed = [], []
        texts: dict[str, list[str | None]] = {f.name: [None] * len(slow) for f in self._contract.fields}
        for i, raw in enumerate(values.take(slow.to_arrow()).to_pylist()):
            row = int(slow[i])
            try:
                members = message.parse(raw)
            except message.Malformed:
                malformed.append(row)
                continue
            if message.unnamed(members, self._named, self._group_names):
                with_unnamed.append(row)
            for f in self._contract.fields:
                spelling = message.chosen(members, f.paths)
                if spelling is not None:
                    texts[f.name][i] = message.dump(spelling[1])
        columns = {
            name: put(column, slow, texts[name]) if any(texts[name]) else column for name, column in fields.items()
        }
        return Decoded(_mask(malformed, len(values)), columns, _mask(with_unnamed, len(values)))

    def extra(self, raw: bytes, kept: frozenset[str]) -> str | None:
        """The JSON object of a message's unnamed members and of the named fields whose value had to be kept.

        Args:
            raw: a message that is not malformed.
            kept: names of fields whose value did not fit its column.
        """
        members = message.parse(raw)
        left = message.unnamed(members, self._named, self._group_names)
        for f in self._contract.fields:
            spelling = message.chosen(members, f.paths) if f.name in kept else None
            if spelling is None:
                continue
            path, value = spelling
            target = left
            for name in path[:-1]:
                target = target.setdefault(name, {})
            target[path[-1]] = value
        return message.dump(left) if left else None


def _lax(text: pl.Series) -> pl.Series:
    """Rows that may hold what DuckDB reads and RFC 8259 does not allow."""
    suspect = text.str.contains_any(_LAX_PAIRS).fill_null(False)
    rows = suspect.arg_true()
    return put(suspect, rows, text.gather(rows).str.contains(_LAX)) if len(rows) else suspect


def _mask(rows: list[int], count: int) -> pl.Series:
    return put(no_rows(count), rows, True) if rows else no_rows(count)


def _as_text(values: pa.Array) -> pl.Series:
    """The messages as text; null where they are none."""
    try:
        return pl.Series("j", pl.from_arrow(values.cast(pa.large_string())), dtype=pl.String)
    except pa.ArrowInvalid:
        if len(values) > _READ_SINGLY:  # the bad one is in a half of these, and the other is read at once
            middle = len(values) // 2
            return _as_text(values[:middle]).append(_as_text(values[middle:]))
        return pl.Series("j", [_text_or_none(v) for v in values.to_pylist()], dtype=pl.String)


def _text_or_none(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return None

"""How the columns of a gold table become those of its copy, and one number that stands for all of their values."""

from dataclasses import dataclass

from lakehouse.copies.server import Server
from lakehouse.errors import LakehouseError

# The database through which ClickHouse reads the Iceberg tables.
LAKE = "lk"
# Hex digits of a key, as text in Iceberg, become the number that they write.
_KEY = "reinterpretAsUInt128(reverse(unhex({column})))"


@dataclass(frozen=True)
class Contents:
    """Rows of a table, and the sum of their hashes (64 bits, over all columns): equal for the same rows in any order."""

    rows: int
    sum: int


def columns_of(server: Server, table: str) -> list[tuple[str, str]]:
    """Names and types of a copy's columns, in order; those that ClickHouse works out itself are left out.

    Raises:
        Retry: ClickHouse does not answer.
        LakehouseError: there is no such table.
    """
    found = server.query(
        "select name, type from system.columns where database = 'gold' and table = {table:String}"
        " and default_kind in ('', 'DEFAULT') order by position",
        table=table,
    )
    if not found:
        raise LakehouseError(f"ClickHouse has no table gold.{table}; clickhouse/tables/{table}.sql should make it")
    return [(str(name), str(kind)) for name, kind in found]


def expression(name: str, kind: str) -> str:
    """A gold column as the copy's type."""
    return _KEY.format(column=name) if kind == "UInt128" else f"cast({name} as {kind})"


def contents(server: Server, table: str, condition: str = "") -> tuple[Contents, Contents]:
    """What the copy holds, and what its gold table does, both read by ClickHouse.

    Args:
        condition: `where …`, over columns that are the same in both.
    Raises:
        Retry: ClickHouse does not answer.
        LakehouseError: it can't read one of them.
    """
    columns = columns_of(server, table)
    copied = [_hashable(name, kind) for name, kind in columns]
    fresh = [_hashable(expression(name, kind), kind) for name, kind in columns]
    one = _sum(server, f"gold.{table}", copied, condition)
    return one, _sum(server, f"{LAKE}.`gold.{table}`", fresh, condition)


def _sum(server: Server, table: str, values: list[str], condition: str) -> Contents:
    [(rows, total)] = server.query(f"select count(), sum(cityHash64({', '.join(values)})) from {table} {condition}")
    return Contents(int(rows), int(total))


def _hashable(value: str, kind: str) -> str:
    """A hash over a null would be null, and the row not counted."""
    return f"ifNull(toString({value}), '\\0')" if "Nullable(" in kind else value

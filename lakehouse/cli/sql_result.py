"""What a statement gives, whichever engine ran it, and its values as text and JSON."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Protocol

import orjson

from lakehouse.cli.sql_statements import Values
from lakehouse.settings import Settings

Row = Sequence[Any]
Told = Callable[[str], None]
"""Called now and then with a few words on how far a query is."""
# Most readers of JSON take numbers for IEEE 754 doubles: beyond it two whole numbers may look the same.
_EXACT = 2**53 - 1
WRITE_HINT = "`lakehouse sql --write` lets it through"


@dataclass
class Result:
    """An open result.

    Attributes:
        names: of its columns; none if the statement gives no rows.
        types: of its columns, in the engine's own words.
        blocks: its rows, as they arrive; iterate once.
        done: what a statement without rows did, such as `CREATE TABLE`.
    """

    names: list[str]
    types: list[str]
    blocks: Iterator[Sequence[Row]]
    done: str = ""


class Session(Protocol):
    """One user's session on an engine: `use` and `set session` last as long as it does."""

    def result(self, sql: str, told: Told, values: Values = None) -> AbstractContextManager[Result]:
        """Run a statement, bound to values if there are any; leaving the block early, by Ctrl-C too, cancels it on the server.

        Raises:
            Retry: the server does not answer.
            LakehouseError: it refused; the message is its own, with the position.
        """
        ...


def open_session(
    engine: str, settings: Settings, catalog: str | None = None, schema: str | None = None, *, writes: bool = False
) -> Session:
    """A session on `trino` or `clickhouse`; the schema is ClickHouse's database. It reads, unless it `writes`."""
    # The client of the other engine takes a tenth of a second to load.
    if engine == "clickhouse":
        from lakehouse.cli.sql_clickhouse import ClickHouseSession

        return ClickHouseSession(settings, schema, writes=writes)
    from lakehouse.cli.sql_trino import TrinoSession

    return TrinoSession(settings, catalog, schema, writes=writes)


def distinct(names: Sequence[str]) -> list[str]:
    """The names, those that appear again with a number, since JSON and Parquet would lose one of them."""
    used: dict[str, None] = {}
    for name in names:
        free, number = name, 2
        while free in used:
            free, number = f"{name}_{number}", number + 1
        used[free] = None
    return list(used)


def value_text(value: Any, between: str = "T") -> str:
    """A value as a person and a spreadsheet read it: exact decimals, ISO 8601 times, bytes in hex, the nested as JSON.

    Args:
        between: stands between date and time.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=between)
    if isinstance(value, float):
        return str(value)
    if isinstance(value, list | tuple | dict):
        return value_json(value).decode()
    return str(plain(value))


def value_json(value: Any) -> bytes:
    """A value as JSON, in UTF-8 on one line.

    Decimals are strings, since a JSON number would lose digits of an amount, and so are whole numbers beyond 2^53.
    """
    try:
        return orjson.dumps(value, default=plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_STRICT_INTEGER)
    except TypeError:  # long whole numbers, keys of odd types
        return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")).encode()


def plain(value: Any) -> Any:
    """A value of what JSON knows."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes | bytearray):
        return value.hex()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return {value_text(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        names = member_names(value)
        return dict(zip(names, map(plain, value), strict=True)) if names else [plain(one) for one in value]
    return str(value)


def member_names(value: Any) -> list[str]:
    """The names of the members of one of Trino's rows; none if it is another kind of list, or they have no names."""
    names = getattr(value, "__annotations__", {}).get("names") if isinstance(value, tuple) else None
    return distinct(names) if names and all(names) else []


def one_line(text: str) -> str:
    """A server's message on one line."""
    return " ".join(text.split())

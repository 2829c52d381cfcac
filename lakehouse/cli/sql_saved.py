"""Saved queries for `lakehouse sql --run`: a question, its parameters and one statement in a file of `<engine>/queries`.

The comment at the top of the file says what it is, a parameter a line; `:hours` in the statement is its value:

    -- Which messages of the last hours are not in silver yet?
    -- param hours integer = 1: how far back to look
    -- param phone text: customer's number, without default
    select ...

Values are bound by the engine, never pasted into the text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from lakehouse.cli.sql_statements import Statement, code_pieces, split_statements
from lakehouse.errors import UsageError, did_you_mean
from lakehouse.paths import data_files
from lakehouse.settings import settings

ENGINES = ("trino", "clickhouse")
# kind -> its type in ClickHouse, whose statement names it; Trino takes that of the literal
KINDS = {"text": "String", "integer": "Int64", "number": "Decimal(38, 10)", "date": "Date32"}
_PARAMETER = re.compile(r"param (?P<name>[a-z_]\w*) (?P<kind>\w+)(?: = (?P<default>.*?))?: (?P<doc>.+)")
_USE = re.compile(r"(?<![:\w]):([a-z_]\w*)")
_TODAY = re.compile(r"today(?:\s*-\s*(\d{1,5}))?")


@dataclass(frozen=True)
class Parameter:
    """One parameter; without a default (None) it must be given."""

    name: str
    kind: str
    default: str | None
    doc: str

    def value(self, text: str) -> Any:
        """What the text means.

        Raises:
            UsageError: it is no such value.
        """
        try:
            if self.kind == "integer":
                if not -(2**63) <= int(text) < 2**63:
                    raise ValueError
                return int(text)
            if self.kind == "number":
                number = Decimal(text)
                if not number.is_finite():
                    raise ValueError
                return number
            return _day(text) if self.kind == "date" else text
        except (ValueError, InvalidOperation):
            hint = "; write 2026-11-30, today or today-7" if self.kind == "date" else ""
            raise UsageError(f"{self.name} takes {self.kind}, not {text!r}{hint}") from None


@dataclass(frozen=True)
class SavedQuery:
    """A file of `trino/queries` or `clickhouse/queries`."""

    name: str
    engine: str
    question: str
    parameters: tuple[Parameter, ...]
    path: Path
    text: str

    def statement(self, given: Mapping[str, str]) -> Statement:
        """Its statement with values for all parameters, to be bound by the engine.

        Raises:
            UsageError: a parameter is unknown, missing or cannot be read.
        """
        known = {one.name: one for one in self.parameters}
        for name in given.keys() - known.keys():
            takes = ", ".join(f"{one.name} ({one.kind})" for one in self.parameters) or "no parameters"
            raise UsageError(f"{self.name} has no parameter {name!r}; it takes {takes}")
        texts = {one.name: given.get(one.name, one.default) for one in self.parameters}
        if missing := [name for name, text in texts.items() if text is None]:
            wanted = " ".join(f"--param {name}=..." for name in missing)
            raise UsageError(f"{self.name} needs {wanted}: {', '.join(known[name].doc for name in missing)}")
        values = {name: known[name].value(text) for name, text in texts.items() if text is not None}
        return self._bound(self._only_statement(), values)

    def _only_statement(self) -> Statement:
        ended, rest = split_statements(self.text, self.engine)
        statements = [*ended, *([rest] if rest else [])]
        if len(statements) != 1:
            raise UsageError(f"{self.path}: a saved query is one statement, not {len(statements)}")
        return statements[0]

    def _bound(self, statement: Statement, values: Mapping[str, Any]) -> Statement:
        used: list[str] = []
        kinds = {one.name: one.kind for one in self.parameters}

        def place(found: re.Match[str]) -> str:
            if found[1] not in values:
                raise UsageError(f"{self.path}: it uses :{found[1]}, which no line `-- param` declares")
            used.append(found[1])
            return "?" if self.engine == "trino" else f"{{{found[1]}:{KINDS[kinds[found[1]]]}}}"

        parts = []
        for text, is_code in code_pieces(statement.text, self.engine):
            if is_code and self.engine == "trino" and "?" in text:
                raise UsageError(f"{self.path}: write a parameter as :name, not as ?")
            parts.append(_USE.sub(place, text) if is_code else text)
        bound = {name: values[name] for name in used} if self.engine == "clickhouse" else [values[n] for n in used]
        return Statement("".join(parts), statement.line, statement.column, bound or None)


def saved_queries(engine: str | None = None) -> list[SavedQuery]:
    """The saved queries of an engine, or of both, an operator's own among them; of each engine by name.

    Raises:
        UsageError: the head of a file is not as it should be.
    """
    return [_read(path, one) for one in _engines(engine) for path in data_files(f"{one}/queries", "*.sql")]


def find(engine: str | None, name: str) -> SavedQuery:
    """The saved query of that name, of an engine or of whichever has it, Trino first.

    Raises:
        UsageError: there is none, and the message says which there are; or its head is not as it should be.
    """
    known: dict[str, Path] = {}
    for one in _engines(engine):
        found = {path.stem: path for path in data_files(f"{one}/queries", "*.sql")}
        if name in found:
            return _read(found[name], one)
        known |= found
    raise UsageError(f"there is no saved query {name!r}.{did_you_mean(name, known)} There are: {', '.join(known)}")


def _engines(engine: str | None) -> Sequence[str]:
    return ENGINES if engine is None else (engine,)


def given_values(options: Sequence[str]) -> dict[str, str]:
    """The values of `--param name=value` options.

    Raises:
        UsageError: one is not written so, or a name comes twice.
    """
    values: dict[str, str] = {}
    for option in options:
        name, sign, value = option.partition("=")
        if not sign or not name:
            raise UsageError(f"--param {option}: write name=value")
        if name in values:
            raise UsageError(f"--param {name} is given twice")
        values[name] = value
    return values


def described(query: SavedQuery) -> dict[str, Any]:
    """A saved query as `--list --json` tells it."""
    return {
        "name": query.name,
        "engine": query.engine,
        "question": query.question,
        "parameters": [
            {"name": one.name, "type": one.kind, "default": one.default, "meaning": one.doc} for one in query.parameters
        ],
        "file": str(query.path),
    }


def listing(queries: Sequence[SavedQuery]) -> Iterator[str]:
    """The saved queries as lines for a person."""
    for query in queries:
        yield query.name if query.engine == ENGINES[0] else f"{query.name}  [{query.engine}]"
        yield f"    {query.question}"
        for one in query.parameters:
            default = "to be given" if one.default is None else f"default {one.default}"
            yield f"    --param {one.name}=  {one.doc} ({one.kind}, {default})"


def _read(path: Path, engine: str) -> SavedQuery:
    text = path.read_text(encoding="utf-8")
    head: list[str] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        head.append(line[2:].strip())
    if not head or head[0].startswith("param "):
        raise UsageError(f"{path}: the first line of a saved query is its question: -- How many ...?")
    parameters = tuple(map(partial(_parameter, path), (line for line in head[1:] if line.startswith("param "))))
    if len({one.name for one in parameters}) < len(parameters):
        raise UsageError(f"{path}: two parameters have the same name")
    return SavedQuery(path.stem, engine, head[0], parameters, path, text)


def _parameter(path: Path, line: str) -> Parameter:
    found = _PARAMETER.fullmatch(line)
    if found is None:
        raise UsageError(f"{path}: {line!r} is to be `-- param name type = default: meaning`")
    if found["kind"] not in KINDS:
        raise UsageError(f"{path}: {found['name']} needs a type out of {', '.join(KINDS)}")
    return Parameter(found["name"], found["kind"], found["default"], found["doc"])


def _day(text: str) -> date:
    """`2026-11-30`, or `today-7` in the operator's time zone."""
    if relative := _TODAY.fullmatch(text.strip()):
        return datetime.now(ZoneInfo(settings().time_zone)).date() - timedelta(days=int(relative[1] or 0))
    return date.fromisoformat(text)

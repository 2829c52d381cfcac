"""Writes the reference pages, and the settings in the README, from the code: `make docs`, or `python docs/generate.py`.

tests/docs/test_docs.py fails while a page is not what this program would write.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click
from pydantic import SecretStr

from catalog.schemas import LINEAGE, Column
from lakehouse.cli.main import COMMANDS, cli
from lakehouse.gold.checks import Check, build_checks, full_checks
from lakehouse.gold.models import Model, models, sources_of
from lakehouse.settings import Settings
from streams import bronze, silver
from streams.contract import Contract, Field, contracts

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
README = ROOT / "README.md"
FEDERATION = ROOT / "docs" / "federation.md"
COMMAND = "make docs"
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"
_WIDTH = 100
_NOTE = f"<!-- Written by docs/generate.py (`{COMMAND}`). Do not edit. -->\n\n"
# The words of catalog/schemas.py, as Trino shows them.
_TRINO = {
    "string": "varchar", "int": "integer", "long": "bigint", "double": "double", "money": "decimal(18,4)",
    "bool": "boolean", "instant": "timestamp(6) with time zone", "date": "date", "binary": "varbinary",
    "strings": "array(varchar)",
}  # fmt: skip
# What trino/functions/history.sql makes of the records of a key.
_HISTORY = {"valid_from": "effective_from", "valid_to": "effective_from", "updated_at": "kafka_timestamp"}
_KAFKA = {c.name for c in LINEAGE}
# Who may come in, and how that is proved: made by `up`, or for servers of one's own. The README leaves them out.
_DOORS = re.compile(r"password|secret|access_key|token|sasl|ssl|security|_ca$|_(reader|user|username|federation)$")


def pages() -> dict[Path, str]:
    """Every generated file with the text that it should have."""
    return {
        REFERENCE / "commands.md": _NOTE + commands_page(),
        REFERENCE / "settings.md": _NOTE + settings_page(),
        REFERENCE / "silver.md": _NOTE + silver_page(),
        REFERENCE / "gold.md": _NOTE + gold_page(),
        REFERENCE / "galaxy.md": _NOTE + galaxy_page(),
        README: readme(README.read_text()),
        FEDERATION: federation(FEDERATION.read_text()),
    }


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def commands_page() -> str:
    """The help of every command."""
    parts = ["# Commands\n\nWhat `lakehouse COMMAND --help` says."]
    top = click.Context(cli, info_name="lakehouse", terminal_width=_WIDTH, max_content_width=_WIDTH)
    for name in COMMANDS:
        command = cli.get_command(top, name)
        assert command is not None
        context = click.Context(
            command, parent=top, info_name=name, terminal_width=_WIDTH, max_content_width=_WIDTH,
            help_option_names=["-h", "--help"],
        )  # fmt: skip
        parts.append(f"## {name}\n\n```\n{command.get_help(context)}\n```")
    return "\n\n".join(parts) + "\n"


def settings_table(names: Iterable[str] = Settings.model_fields) -> str:
    """Settings with their default and their meaning."""
    rows = []
    for name in names:
        field = Settings.model_fields[name]
        value = field.get_default()
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        text = str(value).replace(str(Path.home()), "~") if value not in ("", (), {}) else ""
        if isinstance(value, tuple) and value:
            text = "[" + ", ".join(f'"{item}"' for item in value) + "]"
        rows.append((f"`LAKEHOUSE_{name.upper()}`", f"`{text}`" if text else "", field.description or ""))
    return table(("variable", "default", "meaning"), rows)


def settings_page() -> str:
    """All settings and where they are read from."""
    return (
        "# Settings\n\nRead from the environment, then the files of the folder `LAKEHOUSE_SECRETS_DIR` (each named as a"
        " variable, holding its value), then a `.env` file, then `stack.env` in the data folder (ports and generated"
        " secrets of the embedded stack), then these defaults. `lakehouse settings` shows each value and where"
        " it comes from. Lists and mappings are JSON. Secrets of embedded servers that are empty"
        " are made at the first `lakehouse up`.\n\n"
        f"{settings_table()}\n"
    )


def silver_page() -> str:
    """Each contract's fields and columns."""
    parts = [
        "# Silver and bronze\n\nOne table a source, `iceberg.silver.<source>`, partitioned by the day of `ingested_at`."
        " Types are Trino's. [contracts.md](../contracts.md) says what the words mean."
    ]
    ordered = sorted(contracts().values(), key=lambda c: (not c.is_event, c.source))
    parts += [_contract(contract) for contract in ordered]
    parts.append(
        "## Bronze\n\n`iceberg.bronze.<source>`: every message untouched, partitioned alike.\n\n"
        + _columns(bronze.COLUMNS)
    )
    return "\n\n".join(parts) + "\n"


def _contract(contract: Contract) -> str:
    kind = "events" if contract.is_event else "reference records"
    fields = [(f"`{f.name}`", _spellings(f), f.type, _rule(f)) for f in contract.fields]
    return (
        f"## {contract.source}\n\n{contract.title} ({kind}), `streams/contracts/{contract.source}.yaml`.\n\n"
        + table(("field", "spellings, the first that is neither null nor blank", "type", "rule"), fields)
        + f"\n\nColumns of `silver.{contract.source}`:\n\n"
        + _columns(silver.columns(contract))
    )


def _spellings(field: Field) -> str:
    return ", ".join("`" + ".".join(path) + "`" for path in field.paths)


def _rule(field: Field) -> str:
    said = ["key"] if field.key else []
    if field.required:
        said.append("required")
    if field.required_if is not None:
        said.append(f"required if {field.required_if.field} = {field.required_if.value}")
    if field.domain is not None:
        said.append("one of " + ", ".join(sorted(field.domain)))
    if field.name == "timestamp":
        said.append("from LAKEHOUSE_EARLIEST_EVENT_TIME to 24 h after the Kafka time")
    if field.name == "effective_from":
        said.append("1900-01-02 to before 2101-01-01")
    if field.range is not None:
        low, high = field.range.min, field.range.max
        said += [f"{'>' if field.range.above else '>='} {low:g}"] if low is not None else []
        said += [f"<= {high:g}"] if high is not None else []
    if field.known_in is not None:
        said.append(f"warned of where unknown in {field.known_in}")
    return "; ".join(said)


def _columns(columns: Iterable[Column]) -> str:
    return table(("column", "type", "meaning"), ((f"`{c.name}`", _TRINO[c.type], c.doc) for c in columns))


def gold_page() -> str:
    """Each gold table with its columns and where they come from, and the checks."""
    parts = [
        "# Gold\n\nOne table a model of `trino/gold`, in Trino `iceberg.gold.<table>`, in ClickHouse `gold.<table>`. Types are"
        " Trino's; keys (32 hex digits) are UInt128 in ClickHouse. [galaxy.md](galaxy.md) draws how they hang together.\n\n"
        "*From* is the column of the silver table, and behind the arrow the member of the message that it is read from, where"
        " that has another name; [silver.md](silver.md) has its other spellings. Where it is empty, the table's SQL makes it."
    ]
    parts += [_model(model) for model in models().values()]
    parts.append("## Checks after each build\n\nOn the build's own rows.\n\n" + _checks(build_checks()))
    parts.append("## Full checks\n\nOn whole tables, by `lakehouse check`.\n\n" + _checks(full_checks()))
    return "\n\n".join(parts) + "\n"


def _checks(listed: Iterable[Check]) -> str:
    rows = []
    for check in listed:
        needs = f" with {', '.join(check.needs)}" if check.needs else ""
        rows.append((f"`{check.name}`", ", ".join(check.kinds) + needs, check.severity, check.says))
    return table(("check", "for", "severity", "says"), rows)


def _model(model: Model) -> str:
    origins = lineage(model)
    rows = [(f"`{c.name}`", c.type, origins.get(c.name, ""), c.comment) for c in model.columns]
    text = f"## {model.table}\n\n{model.title}: {model.grain}."
    if model.reads:
        text += f" From `silver.{model.reads}`."
    if others := [source for source in sources_of(model, models()) if source != model.reads]:
        text += f" Keys that no record names also from {_listed(f'silver.{source}' for source in others)}."
    if model.business_key:
        text += f" Business key: `{model.business_key}`."
    if model.reads is None:
        return f"{text}\n\n" + table(
            ("column", "type", "meaning"), [(name, kind, said) for name, kind, _, said in rows]
        )
    return f"{text}\n\n" + table(("column", "type", "from", "meaning"), rows)


def _listed(names: Iterable[str]) -> str:
    *first, last = (f"`{name}`" for name in names)
    return f"{', '.join(first)} and {last}" if first else last


def lineage(model: Model) -> dict[str, str]:
    """Where the columns of a gold table come from, as far as its SQL tells it by names."""
    if model.reads is None:
        return {}
    contract = contracts()[model.reads]
    paths = {f.column: ".".join(f.paths[0]) for f in contract.fields}
    known = {c.name for c in silver.columns(contract)}
    said = {}
    for name, words in _selected(model).items():
        found = [_HISTORY.get(word, word) for word in words]
        columns = dict.fromkeys(column for column in found if column in known)
        said[name] = ", ".join(_origin(column, paths) for column in columns)
    for key in model.foreign_keys:
        dimension = models()[key.dimension]
        at = " at `event_time`" if dimension.has_history else ""
        said[key.column] = f"`{key.dimension}` by `{dimension.business_key}` = `{key.key}`{at}"
    return said


def _origin(column: str, paths: Mapping[str, str]) -> str:
    path = "Kafka" if column in _KAFKA else paths.get(column, column)
    return f"`{column}`" if path == column else f"`{column}` ← {path if path == 'Kafka' else f'`{path}`'}"


def _selected(model: Model) -> dict[str, list[str]]:
    """The words of each column's expression in the outer `select` of a model; of a column that is not in it, its own name."""
    outer = re.search(r"^select (.*?)\nfrom ", model.sql, re.DOTALL | re.MULTILINE)
    keys = {f"{k.column.removesuffix('_sk')}_key": re.findall(r"[a-z_]\w*", k.key) for k in model.foreign_keys}
    found = {c.name: [c.name] for c in model.columns}
    for item in _items(outer[1] if outer else ""):
        expression, _, name = item.rpartition(" as ")
        words = [word.removeprefix("latest_") for word in re.findall(r"[a-z_]\w*", expression or name)]
        found[name.rpartition(".")[2]] = [one for word in words for one in keys.get(word, [word])]
    return {c.name: found[c.name] for c in model.columns}


def _items(text: str) -> list[str]:
    """The parts of a list, at the commas that are in no bracket."""
    items, depth, begin = [], 0, 0
    for place, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            items.append(text[begin:place].strip())
            begin = place + 1
    return [*items, text[begin:].strip()]


def galaxy_page() -> str:
    """The tables from topic to gold, and how facts and dimensions hang together: as a list, as text, drawn."""
    shared = [m for m in models().values() if m.kind != "fact"]
    facts = [m for m in models().values() if m.kind == "fact"]
    parts = [
        "# The galaxy\n\nFacts that share dimensions. Columns are in [gold.md](gold.md) and [silver.md](silver.md); how"
        " histories come about is in [history.md](../history.md).",
        "## From topic to table\n\n" + table(("topic", "bronze", "silver", "gold", "grain"), _routes()),
        "## Facts and dimensions\n\nIn which roles a fact points to a dimension; *x* is one key, named after the dimension.\n\n"
        f"```\n{matrix(facts, shared)}\n```",
        "## Drawn\n\nKeys only: PK is a surrogate key, UK a business key, FK the key of a member.\n\n"
        f"```mermaid\n{diagram(facts, shared)}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _routes() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for source in sorted(contracts(), key=lambda s: (not contracts()[s].is_event, s)):
        made = [m for m in models().values() if m.reads == source]
        rows += [
            (f"`{source}`", f"`bronze.{source}`", f"`silver.{source}`", f"`{m.table}`", m.grain) for m in made
        ] or [(f"`{source}`", f"`bronze.{source}`", f"`silver.{source}`", "", "")]
    return rows + [("", "", "", f"`{m.table}`", m.grain) for m in models().values() if m.reads is None]


def links(fact: Model) -> dict[str, str]:
    """The dimension of each key of a fact: those that it declares, and the generated ones by their key's name."""
    generated = {m.surrogate_key: m.table for m in models().values() if m.kind == "generated"}
    found = {c.name: generated[c.name] for c in fact.columns if c.name in generated}
    return found | {k.column: k.dimension for k in fact.foreign_keys}


def matrix(facts: Sequence[Model], shared: Sequence[Model]) -> str:
    """Facts by dimensions as plain text: the roles in which a fact points to each."""
    lines = [["", *(d.table for d in shared)]]
    for fact in facts:
        roles = {
            d.table: [
                key.removesuffix(d.surrogate_key).rstrip("_") or "x" for key, to in links(fact).items() if to == d.table
            ]
            for d in shared
        }
        lines.append([fact.table, *(", ".join(roles[d.table]) for d in shared)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def diagram(facts: Sequence[Model], shared: Sequence[Model]) -> str:
    """An entity-relationship diagram, in Mermaid's words."""
    lines = ["erDiagram"]
    for fact in facts:
        for d in shared:
            if keys := [key for key, to in links(fact).items() if to == d.table]:
                lines.append(f'    {d.table} ||--o{{ {fact.table} : "{", ".join(keys)}"')
    for model in (*shared, *facts):
        marks = dict.fromkeys(links(model), "FK") if model.kind == "fact" else {}
        marks |= {model.business_key: "UK"} if model.business_key else {}
        marks[model.surrogate_key] = "PK"
        kept = [c for c in model.columns if c.name in marks]
        listed = [f"        {re.split(r'[ (]', c.type)[0]} {c.name} {marks[c.name]}" for c in kept]
        lines += [f"    {model.table} {{", *listed, "    }"]
    return "\n".join(lines)


def readme(text: str) -> str:
    """The README with its settings as they are now, but for users, passwords and certificates."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    shown = [name for name in Settings.model_fields if not _DOORS.search(name)]
    return f"{before}{begin}\n{settings_table(shown)}\n{end}{after}" if begin and end else text


def federation(text: str) -> str:
    """The tour of the saved queries, each with its statement as it is now behind `<!-- query: name -->`."""

    def shown(found: re.Match[str]) -> str:
        sql = (ROOT / "trino" / "queries" / f"{found[1]}.sql").read_text()
        return f"<!-- query: {found[1]} -->\n\n```sql\n{sql}```\n"

    return re.sub(r"<!-- query: (\w+) -->\n(?:\n```sql\n.*?```\n)?", shown, text, flags=re.DOTALL)


def main() -> None:
    """Write what differs."""
    REFERENCE.mkdir(exist_ok=True)
    for path, text in pages().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

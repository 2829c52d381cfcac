"""Writes the reference pages, and the settings in the README, from the code: `make docs`, or `python docs/generate.py`.

tests/docs/test_docs.py fails while a page is not what this program would write.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from pydantic import SecretStr

from catalog.schemas import Column
from lakehouse.cli.main import COMMANDS, cli
from lakehouse.gold.build import checks
from lakehouse.gold.models import Model, models
from lakehouse.settings import Settings
from streams import bronze, silver
from streams.contract import Contract, Field, contracts

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
README = ROOT / "README.md"
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


def pages() -> dict[Path, str]:
    """Every generated file with the text that it should have."""
    return {
        REFERENCE / "commands.md": _NOTE + commands_page(),
        REFERENCE / "settings.md": _NOTE + settings_page(),
        REFERENCE / "silver.md": _NOTE + silver_page(),
        REFERENCE / "gold.md": _NOTE + gold_page(),
        README: readme(README.read_text()),
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


def settings_table() -> str:
    """Every setting with its default and its meaning."""
    rows = []
    for name, field in Settings.model_fields.items():
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
        "# Settings\n\nRead from the environment, then a `.env` file, then `stack.env` in the data folder (ports and"
        " generated secrets of the embedded stack), then these defaults. `lakehouse settings` shows each value and where"
        " it comes from. Lists and mappings are JSON. Empty secrets are made at the first `lakehouse up`.\n\n"
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
    """Each gold table with its columns, and the checks."""
    parts = [
        "# Gold\n\nOne table a model of `trino/gold`, in Trino `iceberg.gold.<table>`, in ClickHouse `gold.<table>`. Types are"
        " Trino's; keys (32 hex digits) are UInt128 in ClickHouse."
    ]
    parts += [_model(model) for model in models().values()]
    said = [(f"`{c.name}`", c.kinds, c.severity, c.says) for c in checks()]
    parts.append(
        "## Checks after each build\n\nOn the build's own rows.\n\n" + table(("check", "for", "severity", "says"), said)
    )
    return "\n\n".join(parts) + "\n"


def _model(model: Model) -> str:
    rows = [(f"`{c.name}`", c.type, c.comment) for c in model.columns]
    text = f"## {model.table}\n\n{model.title}: {model.grain}."
    if model.reads:
        text += f" From `silver.{model.reads}`."
    if model.business_key:
        text += f" Business key: `{model.business_key}`."
    return f"{text}\n\n" + table(("column", "type", "meaning"), rows)


def readme(text: str) -> str:
    """The README with its settings as they are now."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n{settings_table()}\n{end}{after}" if begin and end else text


def main() -> None:
    """Write what differs."""
    REFERENCE.mkdir(exist_ok=True)
    for path, text in pages().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

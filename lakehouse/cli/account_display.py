"""The audit and query results as tables that a person enjoys reading."""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from lakehouse.audit.account import Account, SourceAccount

_COUNTS = (
    ("produced", "produced"), ("bronze", "in bronze"), ("accepted", "accepted"), ("rejected", "rejected"),
    ("duplicates", "of these duplicates"), ("in_flight", "in flight"), ("lost", "lost"), ("gold", "in gold"),
    ("clickhouse", "in ClickHouse"),
)  # fmt: skip
_REASONS_SHOWN = 12


def show_account(console: Console, account: "Account") -> None:
    """Print the account: counts a source, amounts, reasons, problems."""
    everything = {**account.sources, **account.references}
    table = Table(title=f"Every event accounted for (build {account.build_id})", title_justify="left")
    table.add_column("")
    for name in everything:
        table.add_column(name, justify="right")
    for attribute, label in _COUNTS:
        table.add_row(label, *(_number(getattr(a, attribute)) for a in everything.values()))
    table.add_section()
    table.add_row("balanced", *(_verdict(a) for a in everything.values()))
    console.print(table)
    _show_amounts(console, account)
    _show_reasons(console, account)
    for problem in [*account.problems, *(p for a in everything.values() for p in a.problems)]:
        console.print(f"[red]not balanced:[/red] {problem}")
    for a in everything.values():
        for lost in a.lost_ranges:
            console.print(f"[red]lost to retention before it was read:[/red] {lost}")
    console.print(_closing(account))


def _closing(account: "Account") -> Text:
    if account.exit_code == 0:
        return Text("balanced and complete: every event is where it should be, once", style="bold green")
    if account.exit_code == 1:
        return Text("NOT BALANCED", style="bold red")
    return Text("balanced so far; events are in flight (lakehouse audit --wait 60)", style="bold yellow")


def _show_amounts(console: Console, account: "Account") -> None:
    table = Table(title="Amounts of accepted events", title_justify="left")
    for heading in ("source", "currency", "silver", "gold", "ClickHouse"):
        table.add_column(heading, justify="left" if heading in ("source", "currency") else "right")
    for name, a in account.sources.items():
        for currency, layers in sorted(a.amount.items()):
            table.add_row(name, currency, *(layers.get(layer, "-") for layer in ("silver", "gold", "clickhouse")))
    if table.row_count:
        console.print(table)


def _show_reasons(console: Console, account: "Account") -> None:
    table = Table(title="Rejected, by reason", title_justify="left")
    table.add_column("source")
    table.add_column("reason")
    table.add_column("events", justify="right")
    for name, a in {**account.sources, **account.references}.items():
        reasons = list(a.reasons.items())
        for code, count in reasons[:_REASONS_SHOWN]:
            table.add_row(name, code, _number(count))
        if len(reasons) > _REASONS_SHOWN:
            rest = sum(count for _, count in reasons[_REASONS_SHOWN:])
            table.add_row(name, f"{len(reasons) - _REASONS_SHOWN} more reasons", _number(rest))
    if table.row_count:
        console.print(table)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _verdict(account: "SourceAccount") -> Text:
    if not account.balanced:
        return Text("no", style="bold red")
    return Text("yes", style="green") if account.complete else Text("so far", style="yellow")


def show_rows(console: Console, names: list[str], rows: list[Any], title: str | None = None) -> None:
    """Print a query's result as a table."""
    table = Table(title=title, title_justify="left")
    numeric = [all(isinstance(r[i], int | float) or hasattr(r[i], "quantize") for r in rows) for i in range(len(names))]
    for name, right in zip(names, numeric, strict=True):
        table.add_column(name, justify="right" if rows and right else "left")
    for row in rows:
        table.add_row(*(Text("null", style="dim") if v is None else str(v) for v in row))
    console.print(table)

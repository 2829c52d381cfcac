"""The audit and query results as tables that a person enjoys reading."""

import textwrap
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from lakehouse.audit.balance import Account, SourceAccount

# One row a source, and a table for each of the two equations of the audit: nine sources fit into 80 columns.
_TO_SILVER = (
    "From Kafka to silver: produced = accepted + rejected + in flight + lost",
    (
        ("produced", "produced"), ("accepted", "accepted"), ("rejected", "rejected"), ("duplicates", "duplicates"),
        ("in_flight", "in flight"), ("lost", "lost"),
    ),
)  # fmt: skip
_TO_CLICKHOUSE = (
    "At each layer: accepted = in gold = in ClickHouse",
    (("bronze", "in bronze"), ("accepted", "accepted"), ("gold", "in gold"), ("clickhouse", "in ClickHouse")),
)
_REASONS_SHOWN = 4
_SOURCE_WIDTH = 14  # room for a source's name and blanks


def show_account(console: Console, account: "Account") -> None:
    """Print the account: counts a source, amounts, the most frequent reasons, problems."""
    everything = {**account.sources, **account.references}
    console.print(f"The account of every event, as of build {account.build_id}", style="bold", highlight=False)
    _show_counts(console, everything, *_TO_SILVER, closes=False)
    _show_counts(console, everything, *_TO_CLICKHOUSE, closes=True)
    _show_amounts(console, account)
    _show_reasons(console, everything)
    for problem in [*account.problems, *(f"{n}: {p}" for n, a in everything.items() for p in a.problems)]:
        console.print(f"[red]not balanced:[/red] {problem}")
    for name, a in everything.items():
        for notice in a.notices:
            console.print(f"[yellow]please note:[/yellow] {name}: {notice}", highlight=False)
        for lost in a.lost_ranges:
            console.print(f"[red]lost to retention before it was read:[/red] {lost}")
        if a.acknowledged:
            console.print(f"{a.acknowledged:,} of the lost were taken notice of (lakehouse topics)", highlight=False)
    console.print()
    console.print(_closing(account))


def _show_counts(
    console: Console,
    everything: "dict[str, SourceAccount]",
    title: str,
    counts: Sequence[tuple[str, str]],
    closes: bool,
) -> None:
    """A table of counts, a row a source; the one that closes has the verdicts."""
    table = plain_table()
    table.add_column("source", no_wrap=True)
    for _, label in counts:
        table.add_column(label, justify="right")
    if closes:
        table.add_column("balanced", justify="right")
    for name, a in everything.items():
        numbers = [_number(getattr(a, attribute)) for attribute, _ in counts]
        table.add_row(name, *numbers, *([_verdict(a)] if closes else ()))
    _print(console, title, table)


def _closing(account: "Account") -> Text:
    if account.exit_code == 0:
        return Text("balanced and complete: every event is where it should be, once", style="bold green")
    if account.exit_code == 1:
        return Text("NOT BALANCED", style="bold red")
    waits = account.under_way or "events are in flight"
    return Text(f"balanced so far; {waits} (lakehouse audit --wait 60)", style="bold yellow")


def _show_amounts(console: Console, account: "Account") -> None:
    table = plain_table()
    for heading in ("source", "currency", "silver", "gold", "ClickHouse"):
        table.add_column(heading, justify="left" if heading in ("source", "currency") else "right", no_wrap=True)
    for name, a in account.sources.items():
        for currency, layers in sorted(a.amount.items()):
            amounts = (layers.get(layer) for layer in ("silver", "gold", "clickhouse"))
            table.add_row(name, currency, *("-" if said is None else f"{Decimal(said):,.4f}" for said in amounts))
    if table.row_count:
        _print(console, "Amounts of accepted events", table)


def _show_reasons(console: Console, everything: "dict[str, SourceAccount]") -> None:
    table = plain_table()
    table.add_column("source", no_wrap=True)
    table.add_column("reasons")
    for name, a in everything.items():
        reasons = sorted(a.reasons.items(), key=lambda reason: (-reason[1], reason[0]))
        # textwrap, unlike Rich, does not break at the blank between a reason and its number
        shown = [f"{code}\u00a0{_number(count)}" for code, count in reasons[:_REASONS_SHOWN]]
        if len(reasons) > _REASONS_SHOWN:
            shown.append(f"{len(reasons) - _REASONS_SHOWN}\u00a0others")
        if shown:
            table.add_row(name, "\n".join(textwrap.wrap(", ".join(shown), console.width - _SOURCE_WIDTH)))
    if table.row_count:
        said = "Rejected, by reason; an event with several counts under each (lakehouse audit --json has all reasons)"
        _print(console, said, table)


def plain_table() -> Table:
    """A table without rules: its columns are apart by two blanks."""
    return Table(box=None, padding=(0, 2, 0, 0), header_style="dim")


def _print(console: Console, title: str, table: Table) -> None:
    """A table below its title, which is not broken to the table's width."""
    console.print(f"\n[bold]{title}[/bold]", highlight=False)
    console.print(table)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _verdict(account: "SourceAccount") -> Text:
    if not account.balanced:
        return Text("no", style="bold red")
    return Text("yes", style="green") if account.complete else Text("so far", style="yellow")


def show_rows(console: Console, names: list[str], rows: list[Any], title: str | None = None) -> None:
    """Print a query's result as a table."""
    table = plain_table()
    numeric = [all(isinstance(r[i], int | float) or hasattr(r[i], "quantize") for r in rows) for i in range(len(names))]
    for name, right in zip(names, numeric, strict=True):
        table.add_column(name, justify="right" if rows and right else "left")
    for row in rows:
        table.add_row(*(Text("null", style="dim") if v is None else str(v) for v in row))
    if title is None:
        console.print(table)
    else:
        _print(console, title, table)

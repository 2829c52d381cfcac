"""`lakehouse demo`: the whole line at once, for a person to look at."""

import re
import time
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.text import Text

from lakehouse.cli.account_display import plain_table, show_account, show_rows
from lakehouse.errors import Retry
from lakehouse.settings import settings

if TYPE_CHECKING:
    from lakehouse.audit.balance import Account
    from sources.generate import Outcome

_WAIT_S = 170.0
# for what an earlier run left on its way
_BEFORE_S = 30.0
_LOOK_S = 1.0
_QUERIES = (
    "revenue_per_day",
    "answer_rate_per_city",
    "recharge_success_by_method",
    "support_satisfaction_by_department",
    "revenue_per_plan_and_brand",
)
_COUNTS = ("accepted", "rejected", "duplicates")


@click.command("demo")
@click.option("--events", type=click.IntRange(1), default=200_000, show_default=True, help="Events of all sources.")
@click.option("--free-ports", is_flag=True, envvar="LAKEHOUSE_FREE_PORTS", help="See `lakehouse up --help`.")
@click.pass_context
def demo_command(context: click.Context, events: int, free_ports: bool) -> None:
    """Send generated events of five sources through the whole line and show what arrives.

    Starts the stack if it is down. Reference records (subscribers, devices, cell sites, agents), then calls, text messages,
    recharges, payments and support cases with every class of defect travel Kafka, Faust, bronze and silver, gold,
    ClickHouse. What was put in is held against what was found, every event is accounted for, and five dashboard queries
    are asked. The stack stays up for exploring; `lakehouse down` ends it. Each run adds new events.

    Exit code: 0 if all of it is there, once; 1 if not.
    """
    from lakehouse.cli.pipeline import wait_for_account
    from lakehouse.cli.stack import up_command

    console = Console()
    started = time.monotonic()
    console.rule("1  The servers")
    context.invoke(up_command, detach=True, workers=None, free_ports=free_ports, servers_only=False)
    settings.cache_clear()
    with console.status("what is there already"):
        before = wait_for_account(_BEFORE_S)
    console.rule("2  Events of five sources are published")
    outcome = _publish(console, events)
    published = time.monotonic()
    console.rule("3  They travel to ClickHouse")
    _follow(console)
    account = wait_for_account(_WAIT_S)
    arrived = time.monotonic()
    console.rule("4  What was put in, and what was found")
    equal = _compare(console, outcome, before, account)
    console.rule("5  The audit")
    show_account(console, account)
    console.rule("6  What a dashboard asks")
    _show_queries(console)
    console.rule("7  How fresh each layer is")
    _show_freshness(console)
    console.print(
        f"\n{events:,} events were in ClickHouse, accounted for, {arrived - published:.0f} s after the last one was"
        f" published; the demo took {time.monotonic() - started:.0f} s."
    )
    _show_next(console)
    context.exit(account.exit_code or (0 if equal else 1))


def _publish(console: Console, events: int) -> "Outcome":
    from lakehouse.cli.data_display import SendingDisplay
    from sources.generate import Run, run
    from sources.mix import DEFAULT_MIX, apportion
    from sources.publish import Publisher

    with (
        SendingDisplay(apportion(events, DEFAULT_MIX), quiet=False) as display,
        Publisher(on_progress=display.advance) as publisher,
    ):
        outcome = run(Run(events=events, sources=DEFAULT_MIX), publisher)
    for what, numbers in (
        ("reference records", outcome.records),
        ("events", {name: put_in.produced for name, put_in in outcome.sources.items()}),
    ):
        said = ", ".join(f"{count:,} {name}" for name, count in numbers.items())
        console.print(f"{sum(numbers.values()):,} {what}: {said}")
    console.print(f"run id {outcome.run_id}")
    return outcome


def _follow(console: Console) -> None:
    """Wait until nothing waits between the layers, telling now and then how far things are."""
    from lakehouse.audit.freshness import layers

    until, told = time.monotonic() + _WAIT_S, ""
    with console.status("waiting for the first commit") as status:
        while time.monotonic() < until:
            try:
                rows = layers()
            except Retry:
                time.sleep(_LOOK_S)
                continue
            in_kafka = sum(row["waiting"] for row in rows if row["layer"].startswith("silver"))
            gold, copies = (next(r["waiting"] for r in rows if r["layer"] == name) for name in ("gold", "clickhouse"))
            if not in_kafka and not gold and not copies:
                return
            said = f"{in_kafka:,} wait for silver, {gold:,} for gold" + (", a copy is under way" if copies else "")
            status.update(said)
            if not console.is_terminal and said != told:
                console.print(said)
            told = said
            time.sleep(_LOOK_S)


def _compare(console: Console, outcome: "Outcome", before: "Account", after: "Account") -> bool:
    """Show a source's counts as the generator put them in, beside the audit's; whether all are equal."""
    table = plain_table()
    table.add_column("source")
    for count in _COUNTS:
        table.add_column(f"{count}:\nput in", justify="right")
        table.add_column("\nfound", justify="right")
    table.add_column("\nequal", justify="right")
    all_equal = True
    # a source whose fact can't be read is among the references
    were, are = ({**account.sources, **account.references} for account in (before, after))
    for name, put_in in outcome.sources.items():
        expected = [getattr(put_in, count) for count in _COUNTS]
        found = [getattr(are[name], count) - getattr(were[name], count) for count in _COUNTS]
        numbers = [f"{n:,}" for pair in zip(expected, found, strict=True) for n in pair]
        all_equal = all_equal and expected == found
        table.add_row(name, *numbers, Text("yes", "green") if expected == found else Text("no", "bold red"))
    console.print(table)
    if all_equal:
        console.print("equal: what the generator put in is what was found", style="bold green")
    else:
        console.print("NOT EQUAL: something is wrong, unless others published too", style="bold red")
    return all_equal


def _show_queries(console: Console) -> None:
    from lakehouse.copies.server import Server
    from lakehouse.paths import data_file

    reader = Server(settings().as_reader())
    reader.query("select 1")  # what connecting takes is not the first query's time
    for name in _QUERIES:
        text = data_file("clickhouse/queries", f"{name}.sql").read_text()
        began = time.perf_counter()
        names, rows = reader.table(text)
        took_ms = (time.perf_counter() - began) * 1000
        limit = re.search(r"^limit (\d+)$", text, re.MULTILINE)
        first = f", the first {limit[1]} rows" if limit and len(rows) == int(limit[1]) else ""
        show_rows(console, names, rows, f"{text.splitlines()[0].removeprefix('-- ')}{first} ({took_ms:.0f} ms)")


def _show_freshness(console: Console) -> None:
    from lakehouse.audit.freshness import layers

    table = plain_table()
    for heading in ("layer", "last", "seconds ago", "waiting"):
        table.add_column(heading, justify="left" if heading in ("layer", "last") else "right")
    for row in layers():
        age = "" if row["age_s"] is None else f"{row['age_s']:.1f}"
        table.add_row(row["layer"], row["what"], age, f"{row['waiting']:,} {row['unit']}")
    console.print(table)


def _show_next(console: Console) -> None:
    console.print(
        "\nThe stack stays up. What to try next:\n"
        "  [bold]lakehouse dashboard --open[/bold]                  the dashboard, in a browser (--link prints its address)\n"
        "  [bold]lakehouse sql[/bold]                               a console on all tables\n"
        "  [bold]lakehouse schemas[/bold]                           tables, grains, columns\n"
        "  [bold]lakehouse audit[/bold]                             every event at every layer\n"
        "  [bold]lakehouse verify --from-bronze[/bold]              prove offsets and values\n"
        "  [bold]lakehouse check[/bold]                             is gold what it promises?\n"
        "  [bold]lakehouse generate --follow --rate 500[/bold]      a live stream, until Ctrl-C\n"
        "  [bold]lakehouse publish calls my-calls.ndjson[/bold]     your own events\n"
        "  [bold]lakehouse status[/bold]                            servers, freshness\n"
        "  [bold]lakehouse down[/bold]                              end it; the data stays\n"
        "(.venv/bin/lakehouse, if the environment is not activated)",
        highlight=False,
    )

"""`lakehouse demo`: the whole line at once, for a person to look at."""

import time
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from lakehouse.cli.account_display import show_account, show_rows
from lakehouse.settings import settings

if TYPE_CHECKING:
    from lakehouse.audit.account import Account

_WAIT_S = 170.0
_QUERIES = ("revenue_per_day", "answer_rate_per_city")


@click.command("demo")
@click.option("--events", type=click.IntRange(1), default=200_000, show_default=True, help="Calls to generate.")
@click.option("--free-ports", is_flag=True, envvar="LAKEHOUSE_FREE_PORTS", help="See `lakehouse up --help`.")
@click.pass_context
def demo_command(context: click.Context, events: int, free_ports: bool) -> None:
    """Send generated events through the whole line and show what arrives.

    Starts the stack if it is down. Reference records (subscribers, devices, cell sites) and calls with every class of defect
    travel Kafka, Faust, bronze and silver, gold, ClickHouse; then every event is accounted for. The stack stays up for
    exploring; `lakehouse down` ends it. Each run adds new events.
    """
    from lakehouse.cli.stack import up_command

    console = Console()
    started = time.monotonic()
    console.rule("1  The servers")
    context.invoke(up_command, detach=True, workers=None, free_ports=free_ports, servers_only=False)
    settings.cache_clear()
    console.rule("2  Calls are published")
    expected = _publish(console, events)
    published = time.monotonic()
    console.rule("3  They travel to ClickHouse")
    account = _follow(console, expected)
    arrived = time.monotonic()
    console.rule("4  Every event accounted for")
    show_account(console, account)
    console.rule("5  What a dashboard asks")
    _show_queries(console)
    console.rule("6  How fresh each layer is")
    _show_freshness(console)
    console.print(
        f"\n{events:,} calls were in ClickHouse, accounted for, {arrived - published:.0f} s after the last one was published;"
        f" the demo took {time.monotonic() - started:.0f} s."
    )
    _show_next(console)
    context.exit(account.exit_code)


def _publish(console: Console, events: int) -> int:
    from lakehouse.cli.data_display import SendingDisplay
    from sources.generate import Run, run
    from sources.publish import Publisher

    with (
        SendingDisplay({"calls": events}, quiet=False) as display,
        Publisher(on_progress=display.advance) as publisher,
    ):
        outcome = run(Run(events=events), publisher)
    put_in = outcome.sources["calls"]
    console.print(
        f"{put_in.produced:,} calls (run {outcome.run_id}): {put_in.accepted:,} good, {put_in.rejected:,} to be rejected,"
        f" of these {put_in.duplicates:,} duplicates; and {sum(outcome.records.values()):,} reference records"
    )
    return put_in.produced


def _follow(console: Console, published: int) -> "Account":
    """Wait for the account to be complete, telling now and then how far things are."""
    from lakehouse.audit.open import auditor
    from lakehouse.errors import Retry

    until = time.monotonic() + _WAIT_S
    with console.status("waiting for the first commit") as status:
        while True:
            try:
                account = auditor(settings()).account()
            except Retry:
                if time.monotonic() > until:
                    raise
                time.sleep(1.0)
                continue
            calls = account.sources["calls"]
            if account.exit_code == 0 or time.monotonic() > until:
                return account
            arrived = f"{calls.clickhouse or 0:,} calls in ClickHouse, {calls.in_flight:,} in flight"
            status.update(arrived)
            if not console.is_terminal:
                console.print(arrived)
            time.sleep(2.0)


def _show_queries(console: Console) -> None:
    from lakehouse.copies.server import Server
    from lakehouse.gold.engine import Engine
    from lakehouse.paths import data_folder

    reader = Server(settings(), reader=True)
    for name in _QUERIES:
        text = (data_folder("clickhouse") / "queries" / f"{name}.sql").read_text()
        before = time.perf_counter()
        names, rows = reader.table(text)
        took = (time.perf_counter() - before) * 1000
        show_rows(console, names, rows, f"{text.splitlines()[0].removeprefix('-- ')} (ClickHouse, {took:.0f} ms)")
    names, reasons = Engine(settings(), source="lakehouse-demo").table(
        "select code as reason, count(*) as events from silver.calls"
        " cross join unnest(split(rejection_reason, ', ')) as t (code) where is_rejected"
        " group by code order by events desc, code limit 8"
    )
    show_rows(console, names, reasons, "Top rejection reasons (Trino on silver)")


def _show_freshness(console: Console) -> None:
    from lakehouse.audit.freshness import layers

    table = Table()
    for heading in ("layer", "last", "seconds ago", "waiting"):
        table.add_column(heading, justify="left" if heading in ("layer", "last") else "right")
    for row in layers():
        age = "" if row["age_s"] is None else f"{row['age_s']:.1f}"
        table.add_row(row["layer"], row["what"], age, f"{row['waiting']:,} {row['unit']}")
    console.print(table)


def _show_next(console: Console) -> None:
    console.print(
        "\nThe stack stays up. What to try next:\n"
        '  [bold]lakehouse sql "select brand, count(*) from gold.fact_calls f'
        ' join gold.dim_device d on d.device_sk = f.from_device_sk group by 1 order by 2 desc"[/bold]\n'
        "  [bold]lakehouse generate --events 10000 && lakehouse audit --wait 60[/bold]\n"
        "  [bold]lakehouse publish calls my-calls.ndjson[/bold]     your own events\n"
        "  [bold]lakehouse status[/bold]                            servers, freshness\n"
        "  [bold]lakehouse down[/bold]                              end it; the data stays\n"
        "(.venv/bin/lakehouse, if the environment is not activated)",
        highlight=False,
    )

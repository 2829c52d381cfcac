"""`lakehouse build` and `lakehouse audit`."""

import json
import sys
import time
from typing import TYPE_CHECKING

import click
from rich.console import Console

from lakehouse.errors import Retry
from lakehouse.settings import settings

if TYPE_CHECKING:
    from lakehouse.audit.account import Account

_POLL_S = 1.0


@click.command("build")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def build_command(as_json: bool) -> None:
    """Build gold from what silver holds, then refresh the ClickHouse copies.

    The orchestrator does this by itself whenever something was committed; this command does it now and shows it. If a build
    is under way it waits for it. A build that was cut short goes on where it was. Facts are loaded once, with the build's id;
    dimensions are recomputed for the keys that were touched.
    """
    from lakehouse.orchestrator import Orchestrator

    console = Console(stderr=as_json)
    done = Orchestrator(settings()).turn(
        lambda table, r: console.print(f"  {table:<16} {r.rows:>10,} rows  {r.seconds:6.1f} s  {r.error or ''}"),
        lambda copied: console.print(f"  {copied.table:<16} {copied.rows:>10,} rows copied"),
    )
    failed = done.build.errors if done.build is not None else {}
    if as_json:
        results = (done.build.results or {}) if done.build is not None else {}
        tables = {t: {"rows": r.rows, "seconds": r.seconds, "error": r.error} for t, r in results.items()}
        said = {"build_id": done.build.build_id if done.build else None, "tables": tables}
        click.echo(json.dumps({**said, "copied": {c.table: c.rows for c in done.copied}}))
    elif done.build is None:
        console.print("nothing new in silver; gold is up to date")
    else:
        console.print(f"build {done.build.build_id} is complete")
    sys.exit(1 if failed else 0)


@click.command("audit")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--wait", "wait_s", type=float, default=0.0, metavar="SECONDS", help="Wait until nothing is in flight.")
def audit_command(as_json: bool, wait_s: float) -> None:
    """Account for every event at every layer: Kafka, bronze, silver, gold, ClickHouse.

    \b
    produced = accepted + rejected + in flight + lost      duplicates are among the rejected
    accepted = gold = clickhouse                           rows, and sums of amounts per currency

    All layers are read at the newest build whose copy is complete, each by its own engine.

    Exit code: 0 complete and balanced; 1 not balanced, or events lost; 3 balanced, with events in flight.
    """
    account = wait_for_account(wait_s)
    if as_json:
        click.echo(json.dumps(account.as_json()))
    else:
        from lakehouse.cli.account_display import show_account

        show_account(Console(), account)
    sys.exit(account.exit_code)


def wait_for_account(wait_s: float) -> "Account":
    """The account as soon as it is complete and balanced, or as it is when the time has passed."""
    from lakehouse.audit.open import auditor

    until = time.monotonic() + wait_s
    while True:
        try:
            account = auditor(settings()).account()
            if account.exit_code == 0 or time.monotonic() >= until:
                return account
        except Retry:
            if time.monotonic() >= until:
                raise
        time.sleep(min(_POLL_S, max(0.0, until - time.monotonic())))

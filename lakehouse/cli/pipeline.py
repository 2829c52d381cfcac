"""`lakehouse build`, `lakehouse check` and `lakehouse audit`."""

import json
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console

from lakehouse.errors import Retry
from lakehouse.settings import settings

if TYPE_CHECKING:
    from lakehouse.audit.balance import Account
    from lakehouse.gold.builds import TableResult
    from lakehouse.gold.inspection import Result

_POLL_S = 0.5
# An account that did not balance may balance soon, but is dear to draw up.
_DEAR_POLL_S = 2.0


@click.command("build")
@click.option(
    "--only", multiple=True, metavar="TABLE", help="This table, with the dimensions that it points to. Repeatable."
)
@click.option("--full", is_flag=True, help="Make the tables anew from all of silver.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def build_command(only: tuple[str, ...], full: bool, as_json: bool) -> None:
    """Build gold from what silver holds, then refresh the ClickHouse copies.

    The orchestrator does this by itself whenever something was committed; this command does it now and shows it. If a build
    is under way it waits for it. A build that was cut short goes on where it was. Facts are loaded once, with the build's id;
    dimensions are recomputed for the keys that were touched, and facts follow what moved in their histories.

    \b
    lakehouse build                        what is new
    lakehouse build --only fact_calls      calls, and the dimensions that they point to
    lakehouse build --full                 all tables anew: the same rows, whatever they held before

    With --full each table is replaced in one commit, and its copy is exchanged when it is filled: nobody sees half of it.

    Exit code: 0 if all was built and copied, 1 if a table could not be (the others are).
    """
    from lakehouse.orchestrator import Orchestrator

    console = Console(stderr=as_json)
    orchestrator = Orchestrator(settings())
    while True:
        done = orchestrator.turn(
            lambda table, r: console.print(_built(table, r), markup=False, highlight=False),
            lambda copied: console.print(
                f"  {copied.table:<16} {copied.error or f'{copied.rows:>10,} rows copied'}",
                markup=False,
                highlight=False,
            ),
            only,
            full,
            patient=False,
        )
        if full or done.build is None or done.build.most_taken < settings().build_events:
            break
        console.print(f"build {done.build.build_id} is complete; more waits, and is built next")
    failed = {
        **(done.build.errors if done.build is not None else {}),
        **{c.table: c.error for c in done.copied if c.error},
    }
    if as_json:
        results = (done.build.results or {}) if done.build is not None else {}
        tables = {table: asdict(result) for table, result in results.items()}
        said = {"build_id": done.build.build_id if done.build else None, "tables": tables, "failed": failed}
        click.echo(json.dumps({**said, "copied": {c.table: c.rows for c in done.copied if not c.error}}))
    elif done.build is None:
        console.print("nothing new in silver; gold is up to date")
    else:
        console.print(f"build {done.build.build_id} is complete" + (f", without {', '.join(failed)}" if failed else ""))
    sys.exit(1 if failed else 0)


def _built(table: str, result: "TableResult") -> str:
    moved = f"  {result.moved:,} rows follow their members" if result.moved else ""
    problem = result.error or result.lagging or "; ".join(result.failed_checks)
    return f"  {table:<16} {result.rows:>10,} rows  {result.seconds:6.1f} s{moved}  {problem}"


@click.command("check")
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check_command(tables: tuple[str, ...], as_json: bool) -> None:
    """Run the full checks of gold: keys, members, histories, counts and amounts of whole tables.

    Each check is a SQL file in trino/checks/full with a sentence; it counts what is against it. Results are kept in
    gold.check_results and shown by `lakehouse status`. The orchestrator runs them by itself once an hour
    (LAKEHOUSE_CHECK_INTERVAL_S).

    Exit code: 0 if all hold, or only a person should look (warn); 1 if a table is wrong.
    """
    from lakehouse.orchestrator import Orchestrator

    console = Console(stderr=as_json)
    results = Orchestrator(settings()).inspect(
        tables, lambda result: console.print(_checked(result), markup=False, highlight=False, soft_wrap=True)
    )
    failed = [r for r in results if r.finding.failed]
    looks = [r for r in results if not r.finding.passed and not r.finding.failed]
    if as_json:
        rows = [
            {
                "table": r.table,
                "check": r.finding.check.name,
                "severity": r.finding.check.severity,
                "passed": r.finding.passed,
                "wrong": r.finding.wrong,
                "says": r.finding.check.says,
                "error": r.finding.error,
            }
            for r in results
        ]
        click.echo(json.dumps({"passed": not failed, "checks": rows}))
    else:
        console.print(f"{len(results) - len(failed) - len(looks)} hold, {len(looks)} to look at, {len(failed)} failed")
    sys.exit(1 if failed else 0)


def _checked(result: "Result") -> str:
    found = result.finding
    mark = "ok  " if found.passed else found.check.severity
    wrong = "" if found.passed else f" - NOT so: {found.error or f'{found.wrong:,} against it'}"
    return f"{mark}  {result.table:<14} {found.check.says}{wrong}"


@click.command("audit")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--wait", "wait_s", type=float, default=0.0, metavar="SECONDS", help="Wait until nothing is in flight.")
def audit_command(as_json: bool, wait_s: float) -> None:
    """Account for every event at every layer: Kafka, bronze, silver, gold, ClickHouse.

    \b
    produced = accepted + rejected + in flight + lost      duplicates are among the rejected
    accepted = gold = clickhouse                           rows, and sums of amounts per currency

    All layers are read at the newest build whose copy is complete, each by its own engine.

    Exit code: 0 complete and balanced; 1 not balanced, or events lost of which nobody took notice (`lakehouse topics`);
    3 balanced, with events in flight or a build under way.
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
    drawing, pause = None, _POLL_S
    while True:
        try:
            drawing = drawing or auditor(settings())
            if time.monotonic() >= until or drawing.settled():
                account = drawing.account()
                if account.exit_code == 0 or time.monotonic() >= until:
                    return account
                pause = _DEAR_POLL_S
        except Retry:
            if time.monotonic() >= until:
                raise
        time.sleep(min(pause, max(0.0, until - time.monotonic())))
        pause = _POLL_S

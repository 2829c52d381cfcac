"""`python -m drills`: break the line under load, in every way that was thought of, and prove it whole again."""

import json
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from drills import hostile, servers, storage, tables, topics, workers
from drills.field import Field, Outcome, own_stack

DRILLS: dict[str, Callable[[Field, random.Random, bool, Outcome], None]] = {
    "kill": workers.kill,
    "suspend": workers.suspend,
    "storm": workers.storm,
    "broker": servers.broker,
    "storage": storage.storage,
    "cache": servers.cache,
    "engines": servers.engines,
    "maintenance": tables.maintenance,
    "poison": topics.poison,
    "hostile": hostile.hostile,
    "topics": topics.topics,
    "disk": servers.disk,
}
# Those bring messages of their own.
_WITHOUT_LOAD = ("poison", "topics")


def carry_out(field: Field, names: Sequence[str], seed: int, short: bool) -> Outcome:
    """Drills one after the other under one load, and the proof after the last one.

    Raises:
        DrillFailed: the line did not keep its promise.
    """
    outcome = Outcome()
    with nullcontext() if set(names) <= set(_WITHOUT_LOAD) else field.load(outcome):
        for name in names:
            DRILLS[name](field, random.Random(f"{seed}-{name}"), short, outcome)
    if not short:
        field.command("check")
        field.command("verify", "--lake", "--from-bronze", patience_s=1800)
    return outcome


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", nargs=-1, type=click.Choice([*DRILLS]), metavar="[DRILL]...")
@click.option("--seed", type=int, default=1, show_default=True, help="Draws moments, victims and faults.")
@click.option("--rate", type=click.FloatRange(1), default=2000.0, show_default=True, help="Events a second.")
@click.option("--short", is_flag=True, help="Few repetitions, as `make test` runs them.")
@click.option("--workers", "count", type=click.IntRange(2), default=2, show_default=True, help="Workers of the stack.")
@click.option("--report", type=click.Path(path_type=Path), help="Append a line of JSON a drill to this file.")
@click.option("--keep", type=click.Path(path_type=Path), help="Data folder of the stack; default one that is removed.")
def main(
    names: tuple[str, ...], seed: int, rate: float, short: bool, count: int, report: Path | None, keep: Path | None
) -> None:
    """Run fault drills on a stack of their own: all of them, or those that are named.

    Events of all five sources arrive all the time, 5 % of them defective and 5 % copies. After each drill `lakehouse audit`
    must be balanced and complete, with the very numbers, reasons and amounts that were sent, `lakehouse verify` must hold for
    each offset and, made again from bronze, each row of silver, and `lakehouse check` for each gold table.
    """
    chosen = names or tuple(DRILLS)
    run = partial(_run, seed=seed, rate=rate, short=short, report=report)
    failed: list[str] = []
    skipped = ""
    if on_stack := [name for name in chosen if name != "disk"]:
        with tempfile.TemporaryDirectory(prefix="drill-") as temporary:
            failed += run(keep or Path(temporary), count, on_stack)
    if "disk" in chosen:
        with servers.small_disk() as folder:
            if folder is None:
                skipped = "; disk was skipped, since a small file system can't be mounted here (it takes root)"
            else:
                failed += run(folder, count, ["disk"])
    click.echo((f"{len(failed)} failed: {', '.join(failed)}" if failed else "all drills that were run hold") + skipped)
    sys.exit(1 if failed else 0)


def _run(
    folder: Path, workers_count: int, names: Sequence[str], seed: int, rate: float, short: bool, report: Path | None
) -> list[str]:
    """Run drills on a stack in a folder; gives those that failed."""
    failed = []
    with own_stack(folder, workers_count) as drill_dir:
        field = Field(drill_dir, rate, click.echo)
        field.command("generate", "--events", "5000", "--users", "2000")
        for name in names:
            click.echo(f"{name}: {DRILLS[name].__doc__}")
            began = time.monotonic()
            try:
                outcome, error = carry_out(field, [name], seed, short), None
            except Exception as problem:  # the next drill is run all the same, and the report says so
                outcome, error = Outcome(), str(problem) or type(problem).__name__
                failed.append(name)
                traceback.print_exc()
            took = time.monotonic() - began
            _tell(name, outcome, error, took)
            if report is not None:
                line = {"drill": name, "seed": seed, "error": error, "seconds": round(took), **asdict(outcome)}
                with report.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    return failed


def _tell(name: str, outcome: Outcome, error: str | None, took: float) -> None:
    did = ", ".join(f"{what} {n}" for what, n in outcome.did.items())
    click.echo(f"  {did}")
    for note in outcome.notes:
        click.echo(f"  {note}")
    healed = f"healed in {outcome.healed_s:.0f} s" if error is None else f"FAILED: {error}"
    click.echo(f"  {outcome.events:,} events, {healed}, {took:.0f} s in all")


if __name__ == "__main__":
    main()

"""`lakehouse verify`."""

import json
import sys
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING

import click
from rich.console import Console

from lakehouse.cli.options import check_sources
from lakehouse.settings import settings

if TYPE_CHECKING:
    from lakehouse.audit.verify import Proof

_RANGES_SHOWN = 20


@click.command("verify")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@click.option("--lake", "lake_only", is_flag=True, help="Look at Iceberg alone, not at the copies in ClickHouse.")
@click.option(
    "--messages", is_flag=True, help="Also read what Kafka still has, and hold it against bronze, byte for byte."
)
@click.option(
    "--from-bronze", is_flag=True, help="Also make silver's rows again from bronze, and compare their values."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with all ranges.")
def verify_command(sources: tuple[str, ...], lake_only: bool, messages: bool, from_bronze: bool, as_json: bool) -> None:
    """Prove that each Kafka offset is in each table once, from the tables' rows alone.

    The lineage columns (topic id, partition, offset) of all rows are read from the files, without Trino and without any
    count that the program kept:

    \b
    silver, bronze   each offset up to where the table stands, once, or a recorded gap
    gold             each accepted row of silver up to the newest build, once
    clickhouse       each row of gold up to the newest build that is copied whole, once; and, when no build is under way, the
                     very values of gold in all columns, of facts and dimensions; of `rejected`, each rejected row of silver
    --messages       each message that Kafka still has, up to where the tables stand, is in bronze byte for byte, and in no gap
    --from-bronze    each row of silver has the very values, and is rejected for the very reasons, that its message in bronze
                     gives by the contract; but for what reference records said when it arrived

    `audit` counts and adds up, and knows what waits in Kafka; this names the offsets. It may run at any time, also while events
    arrive; only a fact that `build --full` is just making anew may be told as incomplete.

    \b
    lakehouse verify                  all tables
    lakehouse verify calls sms        those of two sources
    lakehouse verify --messages sms   the messages of a source too (50 bytes of memory each)
    lakehouse verify --from-bronze sms   its values too (some 60,000 messages a second)
    lakehouse verify --json | jq '.tables[] | select(.holds | not)'

    Exit code: 0 if all holds; 1 if an offset is missing, there twice, or not to be there (the exact ranges are printed), or if
    a table has other values than what it is made of.
    """
    from lakehouse.audit.open import message_proofs, remade_proofs, verifier
    from streams.contract import contracts

    check_sources(sources)
    console = Console(stderr=as_json)
    proofs = []
    with console.status("reading the catalog") as status:

        def progress(table: str, files: int, rows: int) -> None:
            status.update(f"{table}: {rows:,} rows of {files:,} files" if files else f"{table}: {rows:,} rows")

        chosen = sources or tuple(contracts())
        looking = verifier(settings(), not lake_only, progress)
        also = message_proofs(settings(), chosen, progress) if messages else ()
        again = remade_proofs(settings(), chosen, progress) if from_bronze else ()
        for proof in chain(looking.proofs(chosen), also, again):
            proofs.append(proof)
            if not as_json:
                _show(console, proof)
    holds = all(proof.holds for proof in proofs)
    if as_json:
        tables = [{**asdict(proof), "holds": proof.holds} for proof in proofs]
        click.echo(json.dumps({"holds": holds, "build_id": looking.build_id, "tables": tables}))
    elif holds:
        for proof in proofs:
            if proof.passed_over:
                console.print(f"{proof.table}: not compared: {proof.passed_over}", highlight=False, soft_wrap=True)
        gold = f"; gold as of build {looking.build_id}" if looking.build_id is not None else "; there is no gold yet"
        bytes_too = "; bronze has what Kafka still has, byte for byte" if messages else ""
        values = "; silver has the values that its messages give" if from_bronze else ""
        said = f"every offset is where it must be, once{bytes_too}{values}{gold}"
        console.print(said, style="bold green", highlight=False, soft_wrap=True)
    else:
        wrong = sum(not proof.holds for proof in proofs)
        console.print(f"NOT SO in {wrong} of {len(proofs)} tables", style="bold red")
    sys.exit(0 if holds else 1)


def _show(console: Console, proof: "Proof") -> None:
    gaps = f"  {proof.explained:,} offsets without a message" if proof.explained else ""
    lost = f"  {proof.lost:,} lost to retention (recorded)" if proof.lost else ""
    mark = "[green]ok[/green]  " if proof.holds else "[red]not[/red] "
    partitions = f" in {proof.partitions} partitions" if proof.partitions else ""
    said = f"{mark}{proof.table:<30}{proof.rows:>12,} rows{partitions}{gaps}{lost}"
    console.print(said, highlight=False, soft_wrap=True)
    for problem in proof.problems:
        console.print(f"      {problem}", markup=False, highlight=False, soft_wrap=True)
    for wrong in proof.ranges[:_RANGES_SHOWN]:
        console.print(f"      {wrong}", markup=False, highlight=False, soft_wrap=True)
    if len(proof.ranges) > _RANGES_SHOWN:
        console.print(f"      and more: {proof.wrong:,} offsets in all (--json lists the ranges)", highlight=False)

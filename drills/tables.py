"""Drills on tables: maintenance by others while events flow, a rollback, topics that vanish, messages that are rubbish."""

import random
import time

from drills.field import DrillFailed, Field, Outcome
from lakehouse.errors import LakehouseError
from streams.contract import contracts

EVENTS = [name for name, contract in contracts().items() if contract.is_event]


def maintenance(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """Compaction, manifest rewriting and expiry by Trino while events flow; then a table is rolled back."""
    until = time.monotonic() + (20 if short else 180)
    while time.monotonic() < until:
        table = f"iceberg.{rng.choice(('silver', 'bronze'))}.{rng.choice(EVENTS)}"
        work = rng.choice(("optimize", "optimize_manifests", "expire_snapshots(retention_threshold => '7d')"))
        try:
            field.trino(f"alter table {table} execute {work}")
            outcome.count(work.partition("(")[0])
        except LakehouseError as error:
            outcome.count(f"{work.partition('(')[0]} lost its race")
            outcome.notes += [str(error)[:200]] if "onflict" not in str(error) and "stale" not in str(error) else []
    _all_ancestors(field)
    _roll_back(field, rng.choice(EVENTS))
    outcome.count("rolled back")


def _all_ancestors(field: Field) -> None:
    """No snapshot was lost on the way: each leads to the present one."""
    for name in EVENTS:
        for layer in ("silver", "bronze"):
            rows = field.trino(f'select count(*) as n from {layer}."{name}$history" where not is_current_ancestor')
            if rows[0]["n"]:
                raise DrillFailed(f"{layer}.{name}: {rows[0]['n']} snapshots lead nowhere")


def _roll_back(field: Field, source: str) -> None:
    """Take a table back by some commits. Gold has taken in what is gone, so an operator must build it anew, as docs say."""
    history = field.trino(f'select snapshot_id from silver."{source}$snapshots" order by committed_at desc limit 5')
    field.trino(f"alter table silver.{source} execute rollback_to_snapshot({history[-1]['snapshot_id']})")
    time.sleep(5)
    field.command("build", "--full", code=None)

"""Drills on tables: maintenance by others while events flow, a rollback, topics that vanish, messages that are rubbish."""

import random
import time
from collections import Counter

from drills.field import DrillFailed, Field, Outcome
from lakehouse.errors import LakehouseError
from streams.contract import contracts

EVENTS = [name for name, contract in contracts().items() if contract.is_event]
WORK = {
    "optimize": "optimize",
    "optimize_manifests": "optimize_manifests",
    "expire_snapshots": "expire_snapshots(retention_threshold => '2m')",
}
_GONE = "snapshots gone after expiry"
_TIME_S, _SHORT_S, _PATIENCE_S = 180, 20, 900


def maintenance(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """Compaction, manifest rewriting and expiry by Trino while events flow; then a table is rolled back."""
    began, done = time.monotonic(), Counter[str]()
    while not _enough(done, time.monotonic() - began, short):
        layer, source = rng.choice(("silver", "bronze")), rng.choice(EVENTS)
        name = rng.choice([*WORK])
        before = _snapshots(field, layer, source)
        try:
            statement = f"alter table iceberg.{layer}.{source} execute {WORK[name]}"
            field.trino(statement, expire_snapshots_min_retention="1m")
            done[name] += 1
        except LakehouseError as error:
            done[f"{name} lost its race"] += 1
            outcome.notes += [str(error)[:200]] if "onflict" not in str(error) and "stale" not in str(error) else []
        if name == "expire_snapshots":
            done[_GONE] += len(before - _snapshots(field, layer, source))
    for what, times in done.items():
        outcome.count(what, times)
    _all_ancestors(field)
    outcome.count("commits rolled back", _roll_back(field, rng.choice(EVENTS)))


def _enough(done: Counter[str], passed_s: float, short: bool) -> bool:
    """Whether there was time enough, and each kind of work came through once.

    Raises:
        DrillFailed: one does not come through, however often it is tried.
    """
    if passed_s < (_SHORT_S if short else _TIME_S):
        return False
    missing = [] if short else [name for name in (*WORK, _GONE) if not done[name]]
    if missing and passed_s > _PATIENCE_S:
        raise DrillFailed(f"{', '.join(missing)}: not once in {passed_s:.0f} s")
    return not missing


def _snapshots(field: Field, layer: str, source: str) -> set[int]:
    return {row["snapshot_id"] for row in field.trino(f'select snapshot_id from {layer}."{source}$snapshots"')}


def _all_ancestors(field: Field) -> None:
    """No snapshot was lost on the way: each leads to the present one."""
    for name in EVENTS:
        for layer in ("silver", "bronze"):
            rows = field.trino(f'select count(*) as n from {layer}."{name}$history" where not is_current_ancestor')
            if rows[0]["n"]:
                raise DrillFailed(f"{layer}.{name}: {rows[0]['n']} snapshots lead nowhere")


def _roll_back(field: Field, source: str) -> int:
    """Take a table back by some commits. Gold has taken in what is gone, so an operator must build it anew, as docs say.

    Returns:
        how many commits.
    Raises:
        DrillFailed: no row went with them.
    """
    history = field.trino(
        "select snapshot_id, cast(element_at(summary, 'total-records') as bigint) as n"
        f' from silver."{source}$snapshots" order by committed_at desc limit 5'
    )
    field.trino(f"alter table silver.{source} execute rollback_to_snapshot({history[-1]['snapshot_id']})")
    if history[-1]["n"] >= history[0]["n"]:
        raise DrillFailed(f"silver.{source}: the rollback took no row away: {history}")
    time.sleep(5)
    field.command("build", "--full", code=None)
    return len(history) - 1

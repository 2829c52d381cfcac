"""What reference records take in a worker: memory and time for many subscribers, and a look-up of ten and of many events.

`python -m bench.references --subscribers 10000000`. Grows with the keys and their versions, not with the lake.
"""

import json
import time
from collections.abc import Iterator

import click
import numpy as np
import psutil
import pyarrow as pa

from bench.report import commit, machine
from streams.contract import contracts
from streams.enrich import attributes_of
from streams.kernel.history import History, Version

_AT_ONCE = 5_000  # as a worker takes them from Redis
_PLANS = ("Prepaid", "Postpaid", "Business", "Data")
_CITIES = tuple(f"City {number}" for number in range(200))
_BASE = 1_000_000_000


def _records(attributes: tuple[str, ...], first: int, last: int) -> Iterator[tuple[str, list[Version]]]:
    for number in range(first, last):
        said = {"user_id": f"U{number:09d}", "plan_type": _PLANS[number % 4], "city": _CITIES[number % 200]}
        yield f"+20{_BASE + number}", [(number, [said.get(name) for name in attributes])]


def _look_up_s(history: History, events: int, subscribers: int) -> float:
    """CPU seconds of a look-up of so many events, the least of five."""
    chosen = np.random.default_rng(events).integers(0, subscribers, events)
    keys = pa.array([f"+20{_BASE + number}" for number in chosen.tolist()], pa.large_string())
    times, spent = np.full(events, 2**62), []
    for _ in range(5):
        begun = time.process_time()
        history.look_up(keys, times, history.attributes)
        spent.append(time.process_time() - begun)
    return min(spent)


def measure(subscribers: int) -> dict[str, float]:
    """Fill a history and look up in it; bytes are those that the process grew by."""
    attributes = attributes_of(contracts())["users"]
    History(attributes).replace(_records(attributes, 0, 10))
    process, before, begun = psutil.Process(), psutil.Process().memory_info().rss, time.process_time()
    history = History(attributes)
    most = before
    for first in range(0, subscribers, _AT_ONCE):
        history.replace(_records(attributes, first, min(first + _AT_ONCE, subscribers)))
        most = max(most, process.memory_info().rss)
    return {
        "subscribers": subscribers,
        "fill_cpu_s": round(time.process_time() - begun, 1),
        "bytes": process.memory_info().rss - before,
        "bytes_at_most": most - before,
        "look_up_of_10_ms": round(_look_up_s(history, 10, subscribers) * 1e3, 3),
        "look_up_of_10000_ms": round(_look_up_s(history, 10_000, subscribers) * 1e3, 2),
    }


@click.command()
@click.option("--subscribers", type=click.IntRange(1), default=1_000_000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(subscribers: int, as_json: bool) -> None:
    """Measure what reference records take."""
    where = machine()
    found = measure(subscribers)
    if as_json:
        click.echo(json.dumps({"bench": "references", "machine": where, "commit": commit(), **found}, indent=1))
        return
    for name, value in found.items():
        click.echo(f"{name:22}{value:>16,}")


if __name__ == "__main__":
    main()

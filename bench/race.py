"""`python -m bench.race`: workers, a hand-written loop and tuned Flink SQL over one topic of calls, turn by turn, in one run.

All read the whole topic into tables that are not there yet. Rates come from the tables' own snapshots: `whole` from the moment
at which a contestant had its partitions to its last commit, `warm` between 30 and 95 % of the rows. CPU seconds are those of
its processes in that time; servers are shared by all and told apart. README.md says what each does of the work.
"""

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import click

from bench import flink, report
from bench.calls import PEER_TABLE, Race, event_sources, tables_of
from bench.report import Measured
from bench.servers import own_servers, tuning
from lakehouse.errors import LakehouseError
from lakehouse.settings import settings
from sources.generate import DEFAULT_DEFECTS

ONE, TWO, BY_HAND, FLINK, MIXED = "one worker", "two workers", "by hand", "Flink SQL", "five sources"
CONTESTANTS = (ONE, TWO, BY_HAND, FLINK, MIXED)
# Who is compared with whom, and in which figure.
_RATIOS = (
    (TWO, FLINK, "events_per_s"), (TWO, FLINK, "warm_events_per_s"), (TWO, FLINK, "cpu_s_per_million"),
    (ONE, BY_HAND, "events_per_s"), (ONE, BY_HAND, "warm_events_per_s"), (ONE, BY_HAND, "cpu_s_per_million"),
    (ONE, FLINK, "warm_events_per_s"), (ONE, FLINK, "cpu_s_per_million"), (MIXED, ONE, "events_per_s"),
)  # fmt: skip


@dataclass
class Result:
    """The turns of all contestants, by name, in the order of rounds."""

    events: int
    defects: str
    turns: dict[str, list[Measured]] = field(default_factory=dict)

    def ratios(self) -> dict[str, list[float]]:
        """For each pair that is compared, round by round."""
        found = {}
        for one, other, name in _RATIOS:
            if one in self.turns and other in self.turns:
                pairs = zip(self.turns[one], self.turns[other], strict=True)
                found[f"{one} / {other}, {name}"] = [round(getattr(a, name) / getattr(b, name), 3) for a, b in pairs]
        return found


def race(events: int, rounds: int, defects: str, who: tuple[str, ...], say: report.Say) -> Result:
    """Run it all on servers of its own.

    Raises:
        LakehouseError: a server or a contestant failed, or rows are missing; what it printed is in the message.
    """
    result = Result(events, defects)
    if FLINK in who:
        flink.class_path(settings().cache_dir)
    with own_servers() as folder:
        on = Race.at(folder, events)
        on.prepare(defects, say, MIXED in who)
        # these drop what is no JSON object, and differ in what is one
        least = dict.fromkeys((BY_HAND, FLINK), flink.objects()) if {BY_HAND, FLINK} & set(who) else {}
        for number in range(1, rounds + 1):
            for name in who:
                on.drop([*tables_of(event_sources()), PEER_TABLE, flink.TABLE])
                turn = _TURNS[name](on, str(number))
                say(f"round {number}: {name:12} {report.line(turn)}")
                if not least.get(name, events) <= turn.rows <= events:
                    raise LakehouseError(f"{name}: {turn.rows:,} rows of {least.get(name, events):,} to {events:,}")
                result.turns.setdefault(name, []).append(turn)
    return result


_TURNS: dict[str, Callable[[Race, str], Measured]] = {
    ONE: lambda on, turn: on.worker(f"{turn}-one", ["calls"]),
    TWO: lambda on, turn: on.worker(f"{turn}-two", ["calls"], workers=2),
    BY_HAND: Race.by_hand,
    FLINK: flink.flink,
    MIXED: Race.mixed,
}


def table(found: Result) -> str:
    """As Markdown: the median of each figure, then the ratios, round by round."""
    titles = {"events_per_s": "events/s, whole", "warm_events_per_s": "warm", "cpu_s_per_million": "CPU s per million"}
    titles |= {"servers_cpu_s_per_million": "servers' CPU s", "peak_mb": "largest process, MB", "commits": "commits"}
    lines = [f"| | {' | '.join(titles.values())} |", "|---" * (len(titles) + 1) + "|"]
    for who, turns in found.turns.items():
        middle = [statistics.median(float(getattr(turn, name)) for turn in turns) for name in titles]
        lines.append(f"| {who} | {' | '.join(f'{v:,.1f}' if v < 1000 else f'{v:,.0f}' for v in middle)} |")
    lines += ["", *(f"- {name}: {', '.join(f'{r:.2f}' for r in all_of)}" for name, all_of in found.ratios().items())]
    return "\n".join(lines)


@click.command()
@click.option("--events", type=click.IntRange(1_000), default=1_000_000, show_default=True, help="Calls in the topic.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Turns of each contestant.")
@click.option("--defects", default=DEFAULT_DEFECTS, show_default=True, help="As of `lakehouse generate`.")
@click.option(
    "--only", type=click.Choice(CONTESTANTS), multiple=True, help="Who takes part (repeatable) [default: all]."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(events: int, rounds: int, defects: str, only: tuple[str, ...], as_json: bool) -> None:
    """Race one and two workers, with all they do, against a hand-written loop and tuned Flink SQL over one topic.

    Starts servers of its own in a temporary folder on free ports and ends them; LAKEHOUSE_ variables that tune the line
    (commit interval, buffer, partitions) are obeyed, those that say where servers are, are not. Flink's jars (300 MB) are
    fetched once.
    """
    where, commit = report.machine(), report.commit()
    contestants = tuple(dict.fromkeys(only)) or CONTESTANTS
    with report.as_command():
        found = race(events, rounds, defects, contestants, report.progress)
    if as_json:
        said = {
            "bench": "race",
            "at": datetime.now(UTC).isoformat(timespec="minutes"),
            "machine": where,
            "commit": commit,
        }
        click.echo(json.dumps({**said, "tuning": tuning(), **asdict(found), "ratios": found.ratios()}, indent=1))
        return
    click.echo(f"{events:,} calls, defects {defects}, {rounds} rounds; {where}; {commit}\n\n{table(found)}")


if __name__ == "__main__":
    main()

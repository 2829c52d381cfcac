"""Shows how sending goes and what was put in."""

import signal
from collections import Counter
from types import FrameType, TracebackType

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from sources.expectation import Expectation
from sources.generate import Outcome

_COUNTS = ("produced", "accepted", "rejected")


class _Rate(ProgressColumn):
    """Messages a second since the start."""

    def render(self, task: Task) -> Text:
        """The rate, once there is one."""
        seconds = task.finished_time or task.elapsed or 0
        rate = task.fields["messages"] / seconds if seconds else 0
        return Text(f"{rate:,.0f}/s" if rate else "")


class SendingDisplay:
    """A bar a source on the terminal (standard error), nothing where there is none."""

    def __init__(self, totals: dict[str, int], quiet: bool) -> None:
        """Prepare.

        Args:
            totals: how far each bar goes, in messages or, where `advance` gets a position, in bytes.
            quiet: show nothing.
        """
        console = Console(stderr=True)
        self._totals = totals
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("{task.fields[messages]:>12,}"),
            _Rate(),
            TimeElapsedColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )

    def __enter__(self) -> "SendingDisplay":
        """Show it."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        self._progress.stop()

    def advance(self, source: str, count: int, position: int | None = None) -> None:
        """Add messages; the bar stands at the position, or at their number."""
        if source not in self._tasks:
            self._tasks[source] = self._progress.add_task(source, total=self._totals.get(source), messages=0)
        task = self._tasks[source]
        messages = self._progress.tasks[task].fields["messages"] + count
        self._progress.update(task, messages=messages, completed=messages if position is None else position)


class CtrlC:
    """While it is entered, a first Ctrl-C (or SIGTERM) only asks to stop and a second one interrupts."""

    def __init__(self, at_once: bool = False) -> None:
        """Prepare.

        Args:
            at_once: interrupt at the first one, because the program may be waiting for input.
        """
        self._at_once = at_once
        self._pressed = False

    def asked(self) -> bool:
        """Whether it was pressed."""
        return self._pressed

    def __enter__(self) -> "CtrlC":
        """Take the signals over."""
        self._before = {number: signal.signal(number, self._press) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self._pressed or self._at_once:
            raise KeyboardInterrupt
        self._pressed = True
        click.echo("stopping: waiting for what was handed over (Ctrl-C again to leave it)", err=True)


def print_outcome(outcome: Outcome) -> None:
    """What was put in: a column a source, or of a single source every code by itself."""
    console = Console()
    if outcome.records:
        console.print("records: " + ", ".join(f"{count:,} {kind}" for kind, count in outcome.records.items()))
    if len(outcome.sources) == 1:
        console.print(*(_by_code(source, expectation) for source, expectation in outcome.sources.items()))
    else:
        console.print(_by_source(outcome.sources))
        console.print("each code by itself: --json, or --sources with one name")
    console.print(f"run id {outcome.run_id}" + (" (stopped)" if outcome.interrupted else ""))


def _by_code(source: str, expectation: Expectation) -> Table:
    table = Table(title=f"{source}: what was put in", title_justify="left")
    table.add_column("what")
    table.add_column("messages", justify="right")
    for name in _COUNTS:
        table.add_row(name, f"{getattr(expectation, name):,}", style="bold")
    table.add_section()
    for code, count in expectation.reasons.most_common():
        table.add_row(f"  {code}", f"{count:,}")
    table.add_section()
    for code, count in expectation.warnings.most_common():
        table.add_row(f"  {code} (warning)", f"{count:,}")
    table.add_section()
    for currency, amount in sorted(expectation.amount.items()):
        table.add_row(f"amount of the accepted, {currency}", f"{amount:,.4f}")
    return table


def _by_source(sources: dict[str, Expectation]) -> Table:
    """Codes summed by their word: five sources have two hundred codes."""
    table = Table(title="what was put in", title_justify="left")
    table.add_column("what", no_wrap=True)
    for source in sources:
        table.add_column(source, justify="right")
    expected = list(sources.values())
    for name in _COUNTS:
        table.add_row(name, *(f"{getattr(e, name):,}" for e in expected), style="bold")
    for kind, label in (("reasons", "{}"), ("warnings", "warning {}")):
        table.add_section()
        words = [_by_word(getattr(e, kind)) for e in expected]
        for word, _ in sum(words, Counter[str]()).most_common():
            table.add_row(label.format(word), *(f"{counts[word]:,}" if counts[word] else "" for counts in words))
    table.add_section()
    for currency in sorted({currency for e in expected for currency in e.amount}):
        amounts = (e.amount.get(currency) for e in expected)
        table.add_row(f"accepted {currency}", *("" if amount is None else f"{amount:,.2f}" for amount in amounts))
    return table


def _by_word(codes: Counter[str]) -> Counter[str]:
    words: Counter[str] = Counter()
    for code, count in codes.items():
        words[code.partition(":")[0]] += count
    return words

"""Shows how sending goes and what was put in."""

import signal
from types import FrameType, TracebackType

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from sources.expectation import Expectation
from sources.generate import Outcome


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
    """While it is entered, a first Ctrl-C only asks to stop and a second one interrupts."""

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
        """Take the signal over."""
        self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signal back."""
        signal.signal(signal.SIGINT, self._before)

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self._pressed or self._at_once:
            raise KeyboardInterrupt
        self._pressed = True
        click.echo("stopping: waiting for what was handed over (Ctrl-C again to leave it)", err=True)


def print_outcome(outcome: Outcome) -> None:
    """What was put in, as a table a source."""
    console = Console()
    if outcome.records:
        console.print("records: " + ", ".join(f"{count:,} {kind}" for kind, count in outcome.records.items()))
    for source, expectation in outcome.sources.items():
        console.print(_table(source, expectation))
    console.print(f"run id {outcome.run_id}")


def _table(source: str, expectation: Expectation) -> Table:
    table = Table(title=f"{source}: what was put in", title_justify="left")
    table.add_column("what")
    table.add_column("messages", justify="right")
    for name in ("produced", "accepted", "rejected"):
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

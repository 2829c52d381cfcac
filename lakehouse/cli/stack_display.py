"""What a person sees while servers are fetched and started, and in `lakehouse status`."""

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from lakehouse.settings import settings
from lakehouse.stack.state import DOWN, EXTERNAL, FAILED, STARTING, UP, ServerState, StackState

_STYLES = {UP: "green", EXTERNAL: "green", STARTING: "yellow", FAILED: "red", DOWN: "red", "dead": "red"}
_REFRESH_A_SECOND = 5
# Where lines stay: often enough to see that it goes on, rare enough for a log.
_TELL_EVERY_S = 15.0


def fetch_with_progress(console: Console) -> None:
    """Fetch and unpack what is missing, with a bar of bytes; silent when nothing is."""
    from lakehouse.stack import artifacts, trino_plugins

    cache, wanted = settings().cache_dir, artifacts.pinned()
    total = artifacts.room_needed_bytes(cache, wanted)
    if total:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
            task = progress.add_task("Kafka and Trino", total=total)
            artifacts.fetch(cache, wanted, lambda size: progress.advance(task, size))
    if not trino_plugins.home(cache).exists():
        with console.status("unpacking Trino (10 s)"):
            trino_plugins.unpack(cache)


class Display:
    """One line a server with its seconds, redrawn in place; plain lines where the output is no terminal."""

    def __init__(self, console: Console, stay: bool) -> None:
        """With `stay` the display goes on after the start, as the foreground `up` wants it."""
        self.console = console
        self.stay = stay
        self.told: dict[str, tuple[str, int]] = {}
        self.told_at = time.monotonic()
        self.live = Live(console=console, refresh_per_second=_REFRESH_A_SECOND, transient=stay)

    def __enter__(self) -> Self:
        """Start drawing."""
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last picture."""
        self.live.stop()

    def show(self, now: StackState) -> None:
        """Draw the stack as it is now."""
        if self.console.is_terminal:
            hint = Text("Ctrl-C ends everything", style="dim") if self.stay and now.phase == "up" else Text("")
            self.live.update(Group(_lines(now), hint))
            return
        for one in now.servers:
            this = (one.state, one.restarts)
            if one.state in (UP, EXTERNAL, FAILED, DOWN) and self.told.get(one.name) != this:
                self.told[one.name] = this
                self._say(f"{one.title}: {_word(one)}")
        if time.monotonic() - self.told_at > _TELL_EVERY_S:
            self.told_at = time.monotonic()
            for one in now.servers:
                if one.state == STARTING:
                    self._say(f"waiting for {one.title}, {_word(one)}")

    def _say(self, line: str) -> None:
        self.console.print(line, soft_wrap=True, markup=False, highlight=False)


def _word(one: ServerState) -> str:
    """What a line says of a server beside its name."""
    if one.state == STARTING:
        seconds = f"{time.time() - one.since:.0f} s" if one.since else ""
        return ": ".join(filter(None, (seconds, one.message)))
    after = f" after {one.up_after_s} s" if one.state == UP else ""
    return f"{one.state}{after}" + (f": {one.message}" if one.state == DOWN and one.message else "")


def _lines(now: StackState) -> Table:
    table = Table.grid(padding=(0, 2))
    for one in now.servers:
        table.add_row(one.title, Text(one.state, style=_STYLES.get(one.state, "dim")), _seconds(one), Text(one.message))
    return table


def _seconds(one: ServerState) -> str:
    if one.state == STARTING and one.since:
        return f"{time.time() - one.since:.1f} s"
    return f"{one.up_after_s:.1f} s" if one.up_after_s and one.state == UP else ""


def server_rows(status: dict[str, Any]) -> list[list[str | Text]]:
    """One row a server."""
    return [
        [
            one["title"],
            Text(one["state"], style=_STYLES.get(one["state"], "dim")),
            str(one["pid"] or ""),
            _duration(one["uptime_s"]),
            f"{one['memory_bytes'] / 1e6:.0f}" if one["memory_bytes"] else "",
            str(one["restarts"] or ""),
            " ".join(str(port) for port in one["ports"].values()),
        ]
        for one in status["servers"]
    ]


def print_servers(console: Console, status: dict[str, Any], rows: list[list[str | Text]]) -> None:
    """The table of servers, or the sentence that none runs."""
    if not rows:
        console.print(f"no stack runs in {status['data_dir']}; start it with `lakehouse up --detach`", soft_wrap=True)
        if status["message"]:
            console.print(f"the last start failed: {status['message']}", soft_wrap=True, markup=False)
        return
    table = Table("server", "state", "process", "up for", "MB", "restarts", "ports", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for one in status["servers"]:
        starting = f"starting for {_duration(one['uptime_s'])}" if one["state"] == STARTING else ""
        if said := ": ".join(filter(None, (starting, one["message"]))):
            console.print(f"{one['title']}: {said}", soft_wrap=True, markup=False, highlight=False)
    total = sum(one["memory_bytes"] for one in status["servers"])
    console.print(
        f"\n{status['phase']}; {total / 1e6:.0f} MB in all; data and logs in {status['data_dir']}", soft_wrap=True
    )


def print_layers(console: Console, layers: list[dict[str, Any]]) -> None:
    """The table of layers, whatever columns the audit gives."""
    if not layers:
        return
    table = Table(*layers[0].keys(), box=None, padding=(0, 2, 0, 0))
    for layer in layers:
        # to the second: a terminal of 80 columns has room for no more
        shown = {**layer, "at": str(layer["at"] or "")[:19].replace("T", " ")} if "at" in layer else layer
        table.add_row(*("" if value is None else str(value) for value in shown.values()))
    console.print()
    console.print(table)


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return ""
    hours, rest = divmod(seconds, 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s" if rest >= 60 else f"{rest} s"

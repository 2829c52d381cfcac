"""Where drills take place: a running stack with hook and proxies, a steady load, ways to break things, the account after."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.servers import wait_until_up
from catalog import client
from catalog.offsets import PartitionId
from catalog.snapshots import StateReader
from drills.proxy import Proxy
from lakehouse.errors import LakehouseError
from lakehouse.gold.engine import Engine
from lakehouse.settings import settings
from lakehouse.stack.line import worker_command
from lakehouse.stack.process import Identity, end, spawn
from lakehouse.stack.state import StackState

HOOK = Path(__file__).parent / "hook"
# 5 % defects of every group, 5 % copies: what the issue asks for.
DEFECTS = "malformed=0.01,missing=0.01,type=0.01,invalid=0.008,domain=0.007,range=0.005,duplicates=0.05"
_UP_S, _DOWN_S, _POLL_S = 300.0, 120.0, 0.25
# A Kafka whose disk was full is started again after ever longer pauses.
_PUBLISH_WAIT_S = 240
_COUNTS = ("produced", "accepted", "rejected", "duplicates")
# A build that is under way keeps `verify` from comparing values: so often it is asked again.
_VERIFY_TRIES, _VERIFY_PAUSE_S = 10, 5.0


class DrillFailed(AssertionError):
    """The line did not keep its promise."""


@dataclass
class Outcome:
    """What a drill did, for the report.

    Attributes:
        did: faults by name and number.
        events: published while it went on.
        healed_s: seconds from its last fault until everything was accounted for.
        notes: measured figures, in words.
        rejected: by source and reason, what a drill itself sent beside the load, all to be rejected.
    """

    did: dict[str, int] = field(default_factory=dict)
    events: int = 0
    healed_s: float = 0.0
    notes: list[str] = field(default_factory=list)
    rejected: dict[str, dict[str, int]] = field(default_factory=dict)

    def expect_rejected(self, source: str, reason: str) -> None:
        """Note an event that was sent beside the load, and must be rejected for a reason."""
        reasons = self.rejected.setdefault(source, {})
        reasons[reason] = reasons.get(reason, 0) + 1

    def count(self, what: str, times: int = 1) -> None:
        """Note a fault."""
        self.did[what] = self.did.get(what, 0) + times


def hooked(folder: Path) -> dict[str, str]:
    """Variables with which `lakehouse up` starts a stack that drills can break."""
    return {"PYTHONPATH": str(HOOK), "DRILL_DIR": str(folder)}


class Field:
    """A stack that was started with `hooked`, its data folder in LAKEHOUSE_DATA_DIR."""

    def __init__(self, drill_dir: Path, rate: float, say: Any = print) -> None:
        """Args:
        drill_dir: the DRILL_DIR of the stack.
        rate: events a second.
        """
        self.rate = rate
        self.say = say
        self.dir = drill_dir
        self.data_dir = settings().data_dir.absolute()
        self.catalog, self.s3 = Proxy(settings().catalog_url), Proxy(settings().s3_endpoint)

    @contextmanager
    def proxied(self) -> Iterator[None]:
        """Lead the workers through the proxies: they are restarted, one after the other, now and at the end."""
        self.catalog.start()
        self.s3.start()
        (self.dir / "proxies").write_text(f"{self.catalog.address} {self.s3.address}")
        try:
            self.restart_workers()
            yield
        finally:
            (self.dir / "proxies").unlink()
            self.restart_workers()
            self.catalog.stop()
            self.s3.stop()

    # -- processes -----------------------------------------------------------------------------------------------------

    def process(self, name: str, patience_s: float = 90.0) -> Identity:
        """The process of a server that is up.

        Raises:
            DrillFailed: it does not come up in time.
        """
        limit = time.monotonic() + patience_s
        while time.monotonic() < limit:
            now = StackState.read(self.data_dir)
            for one in now.servers if now is not None else ():
                if one.name == name and one.state == "up" and one.process is not None and one.process.alive():
                    return one.process
            time.sleep(_POLL_S)
        raise DrillFailed(f"{name} did not come back within {patience_s:.0f} s")

    def workers(self) -> list[str]:
        """Names of the stack's workers."""
        now = StackState.read(self.data_dir)
        return [one.name for one in now.servers if one.name.startswith("worker-")] if now is not None else []

    def until(self, holds: Callable[[], object], what: str, patience_s: float = 90.0) -> None:
        """Wait for something.

        Raises:
            DrillFailed: it does not come in time.
        """
        limit = time.monotonic() + patience_s
        while not holds():
            if time.monotonic() > limit:
                raise DrillFailed(f"{what}: not within {patience_s:.0f} s")
            time.sleep(_POLL_S)

    def kill(self, name: str) -> None:
        """`kill -9`."""
        self.process(name).send(signal.SIGKILL)

    def restart_workers(self) -> None:
        """End each worker politely, and wait until its successor runs."""
        for name in self.workers():
            before = self.process(name)
            before.send(signal.SIGTERM)
            if not before.wait(30):
                raise DrillFailed(f"{name} did not end within 30 s of SIGTERM")
            self.process(name)

    def kill_at(
        self, step: str, number: int = 1, victim: str = "", after_s: float = 0.0, patience_s: float = 600.0
    ) -> None:
        """Let the process that passes a named step die there; returns when it did.

        Args:
            number: how often the step is passed till then.
            victim: another server that is killed instead, `after_s` seconds later: in the middle of what the step began.
        Raises:
            DrillFailed: nobody passed the step in time.
        """
        killed, order = self.dir / "killed", self.dir / "kill"
        killed.unlink(missing_ok=True)
        other = self.process(victim) if victim else None
        order.write_text(f"{step} {number}" + (f" {other.pid} {after_s}" if other else ""))
        limit = time.monotonic() + patience_s
        while not killed.exists():
            if other is not None and not other.alive() and not killed.exists():
                order.unlink(missing_ok=True)
                raise DrillFailed(f"{victim} ended by itself before anybody passed {step!r}")
            if time.monotonic() > limit:
                order.unlink(missing_ok=True)
                raise DrillFailed(f"nobody passed {step!r} {number} times in {patience_s:.0f} s")
            time.sleep(0.05)
        if other is not None and not other.wait(after_s + 5):
            raise DrillFailed(f"{victim} still runs")

    @contextmanager
    def more_workers(self, count: int) -> Iterator[list["subprocess.Popen[bytes]"]]:
        """Workers beside the supervised ones, under names of their own."""
        started = [self.another_worker() for _ in range(count)]
        try:
            yield started
        finally:
            end(started, 30)

    def another_worker(self) -> "subprocess.Popen[bytes]":
        """One more worker."""
        name = f"drill-{random.getrandbits(32):08x}"
        variables = {**hooked(self.dir), "LAKEHOUSE_DATA_DIR": str(self.data_dir), "LAKEHOUSE_WORKER": name}
        log = self.dir / "workers.log"
        return spawn(worker_command(self.dir / "faust" / name), log, Path.cwd(), variables)

    # -- load and account ----------------------------------------------------------------------------------------------

    def command(self, *arguments: str, code: int | None = 0, patience_s: float = 600.0) -> str:
        """Run a `lakehouse` command; its standard output.

        Raises:
            DrillFailed: it ended with another code than the wanted one (None: any).
        """
        words = [sys.executable, "-m", "lakehouse.cli.main", *arguments]
        done = subprocess.run(words, capture_output=True, text=True, timeout=patience_s, check=False)
        if code is not None and done.returncode != code:
            raise DrillFailed(f"lakehouse {' '.join(arguments)}: code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def account(self, wait_s: float = 0.0) -> dict[str, Any]:
        """The audit; with a wait, complete and balanced."""
        waited = ("--wait", str(wait_s)) if wait_s else ()
        found: dict[str, Any] = json.loads(self.command("audit", "--json", *waited, code=0 if wait_s else None))
        return found

    @contextmanager
    def load(self, outcome: Outcome, settle_s: float = 420.0) -> Iterator[None]:
        """A steady load while something is broken, then the proof: the audit, its counts, and `lakehouse verify`.

        Raises:
            DrillFailed: an event was lost or doubled, or the line did not heal in time.
        """
        before = self.account(settle_s)["sources"]
        words = ["generate", "--follow", "--rate", str(self.rate), "--defects", DEFECTS, "--no-reference", "--json"]
        words += ["--users", "2000"]
        command = [sys.executable, "-m", "lakehouse.cli.main", *words]
        patient = {**os.environ, "LAKEHOUSE_PUBLISH_WAIT_S": str(_PUBLISH_WAIT_S)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=patient) as publishing:
            try:
                time.sleep(3)  # until the first events are on their way
                yield
                time.sleep(2)
            finally:
                publishing.send_signal(signal.SIGINT)
                said, _ = publishing.communicate(timeout=_PUBLISH_WAIT_S + 60)
        if publishing.returncode:
            raise DrillFailed(f"the load could not be published: code {publishing.returncode}")
        began = time.monotonic()
        expected = json.loads(said)["expected"]
        after = self.account(settle_s)["sources"]
        outcome.healed_s = time.monotonic() - began
        for source, reasons in outcome.rejected.items():
            counts = expected[source]
            for reason, number in reasons.items():
                counts["reasons"][reason] = counts["reasons"].get(reason, 0) + number
                counts["rejected"] += number
                counts["produced"] += number
        for source, counts in expected.items():
            if wrong := differences(counts, before[source], after[source]):
                raise DrillFailed(f"{source}: {'; '.join(wrong)}")
        outcome.events = sum(counts["produced"] for counts in expected.values())
        self.verify()

    def trino(self, sql: str, **session: str) -> list[dict[str, Any]]:
        """Rows of a Trino statement, by column name; with session properties of the catalog `iceberg`."""
        properties = {f"iceberg.{name}": value for name, value in session.items()}
        engine = Engine(settings(), source="lakehouse-drill", session=properties)
        names, rows = engine.table(sql)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def restarts(self) -> dict[str, int]:
        """How often each server was started again."""
        now = StackState.read(self.data_dir)
        return {one.name: one.restarts for one in now.servers} if now is not None else {}

    def verify(self) -> None:
        """`lakehouse verify` must hold, and have compared everything."""
        for _ in range(_VERIFY_TRIES):
            tables = json.loads(self.command("verify", "--json"))["tables"]
            if not any(table["passed_over"] for table in tables):
                return
            time.sleep(_VERIFY_PAUSE_S)
        raise DrillFailed("a build was always under way: verify never compared the values")


def differences(sent: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Where a source's audit differs from what was sent meanwhile: counts, reasons, and amounts by currency."""

    def gained(what: str, name: str) -> int:
        return int(after[what].get(name, 0)) - int(before[what].get(name, 0))

    def amount(account: dict[str, Any], currency: str) -> Decimal:
        return Decimal(account["amount"].get(currency, {}).get("silver", 0))

    pairs = [(name, sent[name], after[name] - before[name]) for name in _COUNTS]
    for reason in {*sent["reasons"], *after["reasons"]}:
        pairs.append((f"rejected for {reason}", sent["reasons"].get(reason, 0), gained("reasons", reason)))
    for currency in {*sent["amount"], *after["amount"]}:
        there = amount(after, currency) - amount(before, currency)
        pairs.append((currency, Decimal(sent["amount"].get(currency, 0)), there))
    return [f"{wanted} {name} were sent, {found} are there" for name, wanted, found in pairs if wanted != found]


class Watch:
    """Looks at silver's positions several times a second, and tells how long each partition stood still."""

    def __init__(self, source: str = "calls") -> None:
        self._reader = StateReader(client.connect(settings()))
        self._table = f"silver.{source}"
        self._seen: dict[PartitionId, tuple[int, float]] = {}
        self._still: dict[PartitionId, list[tuple[float, float]]] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ends.wait(0.2):
            try:
                stands = self._reader.state(self._table).positions.next
            except LakehouseError:
                continue
            at = time.monotonic()
            for partition, offset in stands.items():
                known = self._seen.get(partition)
                if known is None or known[0] != offset:
                    if known is not None:
                        self._still.setdefault(partition, []).append((known[1], at))
                    self._seen[partition] = (offset, at)

    def longest_still(self, since: float, until: float) -> list[float]:
        """Seconds that each partition stood still at the longest within a time (`time.monotonic`), in order."""
        found = []
        for partition, (_, changed) in self._seen.items():
            spans = [*self._still.get(partition, ()), (changed, until)]
            found.append(
                max((end - max(begin, since) for begin, end in spans if end > since and begin < until), default=0.0)
            )
        return sorted(found)


@contextmanager
def own_stack(folder: Path, workers: int) -> Iterator[Path]:
    """A stack for drills alone, on free ports; gives its DRILL_DIR. It is ended at the end, whatever happens."""
    drill_dir = folder / "drill"
    drill_dir.mkdir(parents=True, exist_ok=True)
    words = ["up", "--free-ports", "--workers", str(workers)]
    variables = {"LAKEHOUSE_DATA_DIR": str(folder), **hooked(drill_dir)}
    log = folder / "up.log"
    process = spawn([sys.executable, "-m", "lakehouse.cli.main", *words], log, Path.cwd(), variables)
    try:
        wait_until_up(folder, process.poll, log, _UP_S)
        os.environ["LAKEHOUSE_DATA_DIR"] = str(folder)
        settings.cache_clear()
        yield drill_dir
    finally:
        end([process], _DOWN_S)

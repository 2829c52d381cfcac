"""Drills on what workers write to: the catalog and S3, through proxies that go wrong."""

import random
import threading
import time
from collections.abc import Callable

from aiohttp import web

from drills.field import DrillFailed, Field, Outcome
from drills.proxy import Fault, Plan, Proxy, is_commit, is_upload

_UNANSWERED = "commit applied, no answer"
CATALOG = {
    "commit refused with 409": Fault("status", 409),
    "commit answered with 500": Fault("status", 500),
    "commit answered with 503": Fault("status", 503),
    "commit slow": Fault("slow", pause_s=0.7),
    "commit slower than the interval": Fault("slow", pause_s=3.0),
    _UNANSWERED: Fault("unanswered"),
    "commit applied, answered after the client's time": Fault("late", pause_s=17.0),
    "commit held up, released after the next": Fault("held"),
}
S3 = {
    "upload answered with 500": Fault("status", 500),
    "upload slow": Fault("slow", pause_s=2.0),
    "upload cut in half": Fault("cut"),
}


def storage(field: Field, rng: random.Random, short: bool, outcome: Outcome) -> None:
    """Catalog: 409, 500, 503, slow, no answer though applied, a commit held up until after the next one; S3: 500, slow, cut."""
    shares = (0.3, 0.6) if short else (0.2, 0.5, 0.9)
    with field.proxied():
        for proxy, faults, concerns in ((field.catalog, CATALOG, is_commit), (field.s3, S3, is_upload)):
            for name, fault in _chosen(faults, rng, short):
                plan = _sometimes(fault, concerns, rng.choice(shares), random.Random(rng.random()))
                outcome.count(name, _while_wrong(field, proxy, plan, fault, 3 if short else 12))
    held = field.catalog.behind
    if not short and not held["held, 409"]:
        raise DrillFailed("none of the commits that were held up was refused")
    outcome.notes += [f"{what}: {n}" for what, n in held.items()]


def _chosen(faults: dict[str, Fault], rng: random.Random, short: bool) -> list[tuple[str, Fault]]:
    """All faults; in small one, and the one that only reading back tells from a commit that failed."""
    if not short:
        return list(faults.items())
    some = {_UNANSWERED, rng.choice([name for name in faults if name != _UNANSWERED])}
    return [(name, fault) for name, fault in faults.items() if name in some]


def _while_wrong(field: Field, proxy: Proxy, plan: Plan, fault: Fault, seconds: float) -> int:
    """Let requests go wrong for a while, and until one did; gives how many did."""
    before = proxy.done.total()
    applied = f"{fault.kind}, 200"
    with proxy.faults(plan):
        time.sleep(seconds)
        field.until(lambda: proxy.done.total() > before, f"{fault}: a request", 60)
        if fault.kind in ("unanswered", "late"):  # what the catalog refused did not get lost on its way back
            field.until(lambda: proxy.behind[applied], f"{fault}: one that was applied", 60)
    return proxy.done.total() - before


def _sometimes(fault: Fault, concerns: Callable[[web.Request], bool], share: float, rng: random.Random) -> Plan:
    """A plan that lets a share of the requests go wrong, the first one in any case."""
    lock = threading.Lock()
    first = [True]

    def plan(request: web.Request) -> Fault | None:
        if not concerns(request):
            return None
        with lock:
            wrong = first[0] or rng.random() < share
            first[0] = False
        return fault if wrong else None

    return plan

"""What `lakehouse status` tells: the servers from the state file, the layers from the audit."""

import importlib
import time
from typing import Any

from lakehouse.errors import LakehouseError
from lakehouse.settings import settings
from lakehouse.stack import landlock
from lakehouse.stack.landlock import UNCONFINED
from lakehouse.stack.server import is_local
from lakehouse.stack.state import FAILED, UP, ServerState, StackState


def stack_status() -> dict[str, Any]:
    """The stack of this folder: `phase`, `data_dir`, `since_s`, `message`, `servers`, `layers` and `problems`."""
    folder = settings().data_dir.absolute()
    now = StackState.read(folder)
    runs = now is not None and now.supervisor.alive()
    if now is None or not runs:
        message = now.message if now and now.phase == "failed" else ""
        return {
            "phase": "down",
            "data_dir": str(folder),
            "message": message,
            "servers": [],
            "layers": [],
            "problems": [],
        }
    servers = [_server(one) for one in now.servers]
    phase = now.phase
    if phase == "up" and any(one["state"] not in (UP, "external") for one in servers):
        phase = "degraded"
    return {
        "phase": phase,
        "data_dir": str(folder),
        "message": now.message,
        "supervisor": {"pid": now.supervisor.pid, "memory_bytes": now.supervisor.memory_bytes()},
        "uptime_s": round(time.time() - now.since),
        "servers": servers,
        "layers": _told("layers") if phase in ("up", "degraded") else [],
        "problems": [*_cautions(), *_told("problems")] if phase in ("up", "degraded") else [],
    }


def _cautions() -> list[str]:
    """What this machine can't do for the safety of a stack."""
    return [UNCONFINED] if is_local(settings().clickhouse_url) and not landlock.abi() else []


def _server(one: ServerState) -> dict[str, Any]:
    alive = one.process is not None and one.process.alive()
    return {
        "name": one.name,
        "title": one.title,
        "state": "dead" if one.state == UP and not alive else one.state,
        "pid": one.process.pid if one.process and alive else None,
        "uptime_s": round(time.time() - one.since) if one.since and one.state != FAILED else None,
        "up_after_s": one.up_after_s,
        "memory_bytes": one.process.memory_bytes() if one.process else 0,
        "restarts": one.restarts,
        "ports": one.ports,
        "message": one.message,
    }


def _told(what: str) -> list[Any]:
    """What the audit tells of `layers` or `problems`; empty where it has nothing to say."""
    try:
        told: list[Any] = getattr(importlib.import_module("lakehouse.audit.freshness"), what)()
    except (ImportError, LakehouseError):
        return []
    return told

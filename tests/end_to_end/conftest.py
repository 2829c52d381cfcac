"""What the end-to-end tests share: the command line on the shared stack, and queries of each engine."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from lakehouse.copies.server import Server
from lakehouse.gold.engine import Engine
from lakehouse.settings import settings

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def lakehouse(stack: dict[str, str]) -> Run:
    """Run a `lakehouse` command on the stack; fails the test on an exit code other than the expected one."""

    def run(*arguments: str, stdin: str | None = None, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lakehouse.cli.main", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    return run


@pytest.fixture
def settled(lakehouse: Run) -> Callable[[], dict[str, Any]]:
    """Wait until nothing is in flight; gives the audit, which must balance."""

    def wait() -> dict[str, Any]:
        account: dict[str, Any] = json.loads(lakehouse("audit", "--wait", "120", "--json").stdout)
        assert account["balanced"]
        assert account["complete"]
        return account

    return wait


@pytest.fixture
def trino(stack: dict[str, str]) -> Callable[[str], list[dict[str, Any]]]:
    """Rows of a Trino query by column name."""
    engine = Engine(settings(), source="lakehouse-test")

    def query(sql: str) -> list[dict[str, Any]]:
        names, rows = engine.table(sql)
        return [dict(zip(names, row, strict=True)) for row in rows]

    return query


@pytest.fixture
def clickhouse(stack: dict[str, str]) -> Callable[[str], list[dict[str, Any]]]:
    """Rows of a ClickHouse query, as the read-only user, by column name."""
    server = Server(settings(), reader=True)

    def query(sql: str) -> list[dict[str, Any]]:
        names, rows = server.table(sql)
        return [dict(zip(names, row, strict=True)) for row in rows]

    return query

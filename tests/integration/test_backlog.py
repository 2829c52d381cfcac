"""What a build of history asks of Trino: a partition a day, of more days than Trino writes at once by itself."""

from collections.abc import Iterator

import pytest

from lakehouse.gold.engine import Engine
from lakehouse.orchestrator import WRITERS
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
DAYS = 500
INSERT = f"""insert into iceberg.default.backlog
    select timestamp '2025-01-01 00:00:00' + n * interval '1' day from unnest(sequence(1, {DAYS})) as t (n)"""


@pytest.fixture
def table(stack: dict[str, str]) -> Iterator[str]:
    engine = Engine(settings())
    engine.run("create schema if not exists iceberg.default")
    engine.run("create table iceberg.default.backlog (at timestamp(6)) with (partitioning = array['day(at)'])")
    yield "iceberg.default.backlog"
    engine.run("drop table iceberg.default.backlog")
    engine.run("drop schema iceberg.default")


def test_a_backlog_of_many_days_is_written(table: str) -> None:
    assert Engine(settings(), session=WRITERS).count(INSERT) == DAYS
    assert Engine(settings()).count(f"select count(*) from {table}") == DAYS

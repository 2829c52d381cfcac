"""What BI tools' drivers do to ClickHouse before their first query, done to a real one."""

import urllib.error
import urllib.parse
import urllib.request

import pytest

from lakehouse.settings import settings

pytestmark = pytest.mark.stack

LZ4 = 0x82  # the method byte of a compressed block, after its checksum of 16 bytes


@pytest.fixture
def reader(stack: dict[str, str]) -> dict[str, str]:
    return {
        "X-ClickHouse-User": settings().clickhouse_reader,
        "X-ClickHouse-Key": settings().clickhouse_reader_password.get_secret_value(),
    }


def answer(stack: dict[str, str], headers: dict[str, str], sql: str, **settings: object) -> bytes:
    """What ClickHouse answers over HTTP, or its error, with settings sent along as drivers do."""
    url = f"{stack['LAKEHOUSE_CLICKHOUSE_URL']}/?{urllib.parse.urlencode(settings)}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, sql.encode(), headers), timeout=30) as response:
            return bytes(response.read())
    except urllib.error.HTTPError as refused:
        return bytes(refused.read())


def test_the_jdbc_driver_gets_blocks_that_it_can_read(stack: dict[str, str], reader: dict[str, str]) -> None:
    assert answer(stack, reader, "select 1", compress=1)[16] == LZ4
    assert answer(stack, reader, "select * from gold.nothing", compress=1)[16] == LZ4


def test_settings_that_drivers_send_are_let_through(stack: dict[str, str], reader: dict[str, str]) -> None:
    sent = {"max_execution_time": 20, "max_result_rows": 1_000_000, "result_overflow_mode": "break", "join_use_nulls": 1,
            "session_timezone": "Africa/Cairo", "output_format_binary_write_json_as_string": 1}  # fmt: skip
    assert answer(stack, reader, "select 1", **sent) == b"1\n"


@pytest.mark.parametrize("setting", [("readonly", 0), ("max_execution_time", 0), ("max_result_rows", 1_048_575)])
def test_settings_that_would_lift_the_limits_are_refused(
    stack: dict[str, str], reader: dict[str, str], setting: tuple[str, int]
) -> None:
    name, value = setting
    assert name in answer(stack, reader, "select 1", **{name: value}).decode()


def test_the_reader_changes_nothing_and_sees_gold_alone(stack: dict[str, str], reader: dict[str, str]) -> None:
    for sql in (
        "truncate table gold.copies",
        "create table gold.mine (n Int8) engine = Log",
        "select * from system.users",
    ):
        assert b"ACCESS_DENIED" in answer(stack, reader, sql), sql

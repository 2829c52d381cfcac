"""`lakehouse sql` on real servers: formats, results of any size, errors, Ctrl-C, the consoles."""

import csv
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lakehouse.copies.server import Server
from lakehouse.gold.engine import Engine
from lakehouse.settings import settings

pytestmark = pytest.mark.stack

COMMAND = (sys.executable, "-m", "lakehouse.cli.main", "sql")
ENGINES = ("trino", "clickhouse")
ONE = {
    "trino": "select 7 as n, decimal '0.1000' as amount, timestamp '2026-01-02 03:04:05.000006 UTC' as at, 'a;b' as t",
    "clickhouse": "select 7 as n, toDecimal64('0.1', 4) as amount,"
    " toDateTime64('2026-01-02 03:04:05.000006', 6, 'UTC') as at, 'a;b' as t",
}
MILLION = {
    "trino": "select a * 1000 + b as n, 'a text of some length' as t"
    " from unnest(sequence(0, 999)) x (a) cross join unnest(sequence(0, 999)) y (b)",
    "clickhouse": "select number as n, 'a text of some length' as t from numbers(1000000)",
}
FOREVER = {
    "trino": "select count(*) /* {mark} */ from unnest(sequence(1, 10000)) a (x), unnest(sequence(1, 10000)) b (y),"
    " unnest(sequence(1, 10000)) c (z) where x * y * z % 7919 = 1",
    "clickhouse": "select count() /* {mark} */ from numbers(1000000000000) where sipHash64(number) = 1",
}
ENDLESS = {
    "trino": "select x, y /* {mark} */ from unnest(sequence(1, 10000)) a (x), unnest(sequence(1, 10000)) b (y),"
    " unnest(sequence(1, 10000)) c (z)",
    "clickhouse": "select number /* {mark} */ from numbers(1000000000000)",
}


@pytest.fixture
def sql(stack: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*COMMAND, *arguments],
            env={**os.environ, **stack},
            input=given.encode(),
            capture_output=True,
            timeout=180,
            check=False,
        )

    return run


Sql = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.mark.parametrize("engine", ENGINES)
def test_each_format_has_the_same_values(sql: Sql, engine: str, tmp_path: Path) -> None:
    def said(*arguments: str) -> bytes:
        done = sql("--engine", engine, ONE[engine], *arguments)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout

    at = "2026-01-02T03:04:05.000006+00:00"
    assert json.loads(said("--json")) == [{"n": 7, "amount": "0.1000", "at": at, "t": "a;b"}]
    assert list(csv.reader(io.StringIO(said("--format", "csv").decode()))) == [
        ["n", "amount", "at", "t"],
        ["7", "0.1000", at, "a;b"],
    ]
    assert "│ 7 │ 0.1000 │ 2026-01-02 03:04:05.000006" in said().decode()
    assert "1 row\n" in said().decode()
    table = pq.read_table(io.BytesIO(said("--format", "parquet")))
    [row] = table.to_pylist()
    assert (row["n"], row["amount"], row["at"].isoformat()) == (
        7,
        Decimal("0.1000"),
        "2026-01-02T03:04:05.000006+00:00",
    )
    file = tmp_path / "one.parquet"
    done = sql("--engine", engine, ONE[engine], "--output", str(file))
    assert (done.stdout, done.stderr[:16]) == (b"", b"1 row written to")
    assert pq.read_table(file) == table


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_million_rows_are_written_in_little_memory(
    stack: dict[str, str], engine: str, form: str, tmp_path: Path
) -> None:
    file = tmp_path / f"million.{form}"
    script = (
        "import atexit, sys; from lakehouse.cli.main import main\n"
        "atexit.register(lambda: print(*(line for line in open('/proc/self/status') if 'VmHWM' in line), file=sys.stderr))\n"
        "main(sys.argv[1:])"
    )
    arguments = ["sql", "--engine", engine, "--output", str(file), MILLION[engine]]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env={**os.environ, **stack},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # As Python values they are 200 MB; libraries and a row group are about 150.
    [peak] = re.findall(r"VmHWM:\s+(\d+) kB", done.stderr)
    assert int(peak) < 260_000
    if form == "csv":
        lines = file.read_text(encoding="utf-8-sig").splitlines()
        assert (len(lines), sum(int(line.partition(",")[0]) for line in lines[1:])) == (1_000_001, 499_999_500_000)
    elif form == "json":
        assert sum(row["n"] for row in json.loads(file.read_bytes())) == 499_999_500_000
    else:
        assert pq.ParquetFile(file).metadata.num_rows == 1_000_000


def test_statements_of_a_file_run_in_order_in_one_session(sql: Sql, tmp_path: Path) -> None:
    file = tmp_path / "several.sql"
    file.write_text(
        "-- a table; made here\ncreate schema if not exists gold;\ncreate table gold.several (a bigint, b varchar);\n"
        "insert into several values (1, 'x;y'), (2, '--');\nuse iceberg.information_schema;\n"
        "select a, b from gold.several order by a;\ndrop table iceberg.gold.several;\n"
    )
    done = sql("--write", "--file", str(file), "--format", "csv")
    assert done.stdout.decode() == "rows\n2\n\na,b\n1,x;y\n2,'--\n"
    assert done.stderr.decode().splitlines() == ["CREATE SCHEMA", "CREATE TABLE", "USE", "DROP TABLE"]


def test_statements_on_clickhouse_share_a_session_too(sql: Sql) -> None:
    done = sql(
        "--engine", "clickhouse", "--write", "--json",
        given="create temporary table mine (a Int64) engine = Memory; insert into mine select number from numbers(3);"
        "use system; select currentDatabase() as d, (select sum(a) from mine) as s; exists table nowhere",
    )  # fmt: skip
    assert done.stdout.decode().splitlines() == ['[{"rows":3}]', '[{"d":"system","s":3}]', '[{"result":0}]'], (
        done.stderr
    )
    assert done.stderr.decode().splitlines() == ["CREATE TEMPORARY", "USE SYSTEM"]


@pytest.mark.parametrize(
    ("engine", "table", "sentence"),
    [
        ("trino", "create table gold.kept (a bigint)", "(PERMISSION_DENIED); `lakehouse sql --write` lets it through"),
        (
            "clickhouse",
            "create table gold.kept (a Int64) engine = MergeTree order by a",
            "(READONLY); `lakehouse sql --write` lets it through",
        ),
    ],
)
def test_nothing_is_changed_unless_writing_is_asked_for(sql: Sql, engine: str, table: str, sentence: str) -> None:
    if engine == "trino":
        sql("--write", "create schema if not exists gold")
    made = sql("--engine", engine, "--write", f"{table}; insert into gold.kept values (7)")
    assert made.returncode == 0, made.stderr
    for change in ("insert into gold.kept values (8)", "delete from gold.kept where a > 0", "drop table gold.kept"):
        done = sql("--engine", engine, change)
        assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
        assert sentence in done.stderr.decode()
    done = sql("--engine", engine, "--json", "select a from gold.kept")
    assert json.loads(done.stdout) == [{"a": 7}]
    assert sql("--engine", engine, "--write", "drop table gold.kept").returncode == 0


def test_only_the_owner_of_trinos_tables_may_end_queries(sql: Sql) -> None:
    """As the next build does with what a killed one left running."""
    call = "call system.runtime.kill_query(query_id => '20261129_000000_00000_aaaaa', message => '')"
    assert "PERMISSION_DENIED" in sql(call).stderr.decode()
    assert "Target query not found" in sql("--write", call).stderr.decode()


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        ("trino", "error: Trino: line 3:10: Column 'nothing' cannot be resolved (COLUMN_NOT_FOUND)"),
        ("clickhouse", "error: ClickHouse: Unknown expression identifier `nothing`"),
    ],
)
def test_an_error_is_one_sentence_with_the_position_in_the_file(
    sql: Sql, engine: str, sentence: str, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.sql"
    file.write_text("select 1;\n\n  select nothing; select 2")
    done = sql("--engine", engine, "--file", str(file), "--output", str(tmp_path / "out.csv"))
    assert done.returncode == 1
    assert done.stderr.decode().startswith(sentence)
    assert done.stderr.count(b"\n") == 1
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (
            "select (1",
            "Syntax error: failed at the end of the statement. Unmatched parentheses: '(' at position 8 (line 1, col 8)",
        ),
        ("select 1 format Vertical", "leave out `format Vertical`; the option --format says"),
        ("select * from nothing", "Unknown table expression identifier 'nothing'"),
    ],
)
def test_what_clickhouse_says_is_about_the_statement_as_it_was_written(sql: Sql, query: str, sentence: str) -> None:
    done = sql("--engine", "clickhouse", query)
    assert done.returncode == 1
    assert sentence in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("engine", "query", "word"),
    [
        ("trino", "select 1 / (x - 900000) from (select a * 1000 + b as x from unnest(sequence(0, 999)) v (a),"
         " unnest(sequence(0, 999)) w (b))", "DIVISION_BY_ZERO"),
        ("clickhouse", "select throwIf(number = 5000000) from numbers(10000000)", "throwIf"),
    ],
)  # fmt: skip
def test_an_error_in_the_middle_of_a_result_is_one_sentence(sql: Sql, engine: str, query: str, word: str) -> None:
    done = sql("--engine", engine, "--format", "csv", query)
    assert done.returncode == 1
    assert word in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_a_server_that_is_away_is_said(sql: Sql, stack: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for engine, name in (("trino", "LAKEHOUSE_TRINO_URL"), ("clickhouse", "LAKEHOUSE_CLICKHOUSE_URL")):
        monkeypatch.setitem(stack, name, "http://127.0.0.1:1")
        done = sql("--engine", engine, "select 1")
        assert done.returncode == 1
        assert "does not answer" in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1


def running(engine: str, mark: str) -> list[str]:
    """Queries with that mark which the server works on."""
    if engine == "clickhouse":
        sql = (
            f"select query_id from system.processes where query like '%{mark}%' and query not like '%system.processes%'"
        )
        return [str(row[0]) for row in Server(settings()).query(sql)]
    rows = Engine(settings(), source="test").run(
        f"select query_id from system.runtime.queries where query like '%{mark}%' and query not like '%runtime.queries%'"
        " and state not in ('FINISHED', 'FAILED')"
    )
    return [str(row[0]) for row in rows]


def eventually(what: Callable[[], bool], seconds: float = 30) -> bool:
    limit = time.monotonic() + seconds
    while not what():
        if time.monotonic() > limit:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("query", [FOREVER, ENDLESS], ids=["before", "among"])
def test_ctrl_c_cancels_the_query_on_the_server(stack: dict[str, str], engine: str, query: dict[str, str]) -> None:
    mark = f"mark-{time.time_ns()}"
    process = subprocess.Popen(
        [*COMMAND, "--engine", engine, "--format", "csv", query[engine].format(mark=mark)],
        env={**os.environ, **stack}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert eventually(lambda: bool(running(engine, mark)))
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, b"interrupted: the query was cancelled\n")
    assert eventually(lambda: not running(engine, mark), 5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_table_of_an_endless_result_ends_soon_and_cancels(sql: Sql, engine: str) -> None:
    mark = f"mark-{time.time_ns()}"
    done = sql("--engine", engine, "--limit-rows", "10", ENDLESS[engine].format(mark=mark))
    assert done.returncode == 0
    assert "10 rows shown, at least " in done.stdout.decode()
    assert eventually(lambda: not running(engine, mark), 5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_reader_that_has_seen_enough_ends_the_query(stack: dict[str, str], engine: str) -> None:
    mark = f"mark-{time.time_ns()}"
    command = [*COMMAND, "--engine", engine, "--format", "csv", ENDLESS[engine].format(mark=mark)]
    process = subprocess.Popen(command, env={**os.environ, **stack}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert eventually(lambda: not running(engine, mark), 5)


class Terminal:
    """A command at a terminal."""

    def __init__(self, stack: dict[str, str], *arguments: str) -> None:
        self.said = ""
        self.pid, self.file = pty.fork()
        if not self.pid:
            os.execve(COMMAND[0], [*COMMAND, *arguments], {**os.environ, **stack, "TERM": "xterm", "COLUMNS": "120"})

    def type(self, text: str) -> None:
        os.write(self.file, text.encode())

    def shows(self, text: str, seconds: float = 40) -> bool:
        """Wait until it has printed the text since the last call."""
        limit = time.monotonic() + seconds
        while text not in self.said and time.monotonic() < limit:
            if select.select([self.file], [], [], 0.2)[0]:
                try:
                    self.said += os.read(self.file, 65536).decode(errors="replace")
                except OSError:  # it has ended
                    break
        _, found, rest = self.said.partition(text)
        self.said = rest if found else self.said
        return bool(found)

    def ends(self) -> int:
        """Its exit code."""
        limit = time.monotonic() + 20
        while time.monotonic() < limit:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if select.select([self.file], [], [], 0.1)[0]:
                try:
                    os.read(self.file, 65536)
                except OSError:
                    time.sleep(0.1)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("it does not end")


def test_trinos_own_console_opens_at_a_terminal(stack: dict[str, str]) -> None:
    terminal = Terminal(stack, "--schema", "information_schema")
    assert terminal.shows("iceberg.information_schema")
    terminal.type("select 20 + 22 as answer, current_schema;\r")
    assert terminal.shows("42 | information_schema")
    assert terminal.shows("FINISHED")
    terminal.type("exit\r")
    assert terminal.ends() == 0
    assert "answer" in (Path(stack["LAKEHOUSE_DATA_DIR"]) / "history-trino").read_text()


def test_the_console_of_clickhouse_takes_lines_cancels_and_remembers(stack: dict[str, str]) -> None:
    mark = f"mark-{time.time_ns()}"
    terminal = Terminal(stack, "--engine", "clickhouse")
    assert terminal.shows("clickhouse> ")
    terminal.type("select 20 + 22 as answer,\n")
    assert terminal.shows("    -> ")
    terminal.type("'a;b' as t; select currentDatabase();\n")
    assert terminal.shows("│     42 │ a;b │")
    assert terminal.shows("gold")
    terminal.type("select nothing;\n")
    assert terminal.shows("error: ClickHouse: Unknown expression identifier")
    terminal.type(FOREVER["clickhouse"].format(mark=mark) + ";\n")
    assert eventually(lambda: bool(running("clickhouse", mark)))
    terminal.type("\x03")
    assert terminal.shows("cancelled")
    assert eventually(lambda: not running("clickhouse", mark), 5)
    terminal.type("select 1 +\n")
    assert terminal.shows("    -> ")
    terminal.type("\x03")
    assert terminal.shows("clickhouse> ")
    terminal.type("select 'still here';\n")
    assert terminal.shows("│ still here")
    terminal.type("exit\n")
    assert terminal.ends() == 0
    assert "select 'still here';" in (Path(stack["LAKEHOUSE_DATA_DIR"]) / "history-clickhouse").read_text()


def test_a_line_on_the_terminal_says_how_far_a_query_is(stack: dict[str, str]) -> None:
    terminal = Terminal(stack, FOREVER["trino"].format(mark="progress"))
    assert terminal.shows("running")
    assert terminal.shows("splits")
    terminal.type("\x03")
    assert terminal.shows("interrupted: the query was cancelled")
    assert terminal.ends() == 130

"""`lakehouse sql` without a server: where statements end, and how results are written."""

import contextlib
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.cli import sql_result
from lakehouse.cli.main import main
from lakehouse.cli.sql_output import Output, blocks, destination, fits, format_of, is_plain_file
from lakehouse.cli.sql_parquet import arrow_type
from lakehouse.cli.sql_result import Result, distinct, value_json, value_text
from lakehouse.cli.sql_statements import split_statements
from lakehouse.csv_cells import BOM
from lakehouse.errors import LakehouseError, UsageError


def texts(text: str, engine: str = "trino") -> list[str]:
    ended, rest = split_statements(text, engine)
    return [one.text for one in ended] + ([f"{rest.text} ..."] if rest else [])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("select 1; select 2;", ["select 1", "select 2"]),
        ("select 1", ["select 1 ..."]),
        (" ;; -- nothing; here\n; /* nor; here */ ", []),
        ("select ';' , 'it''s; so' ;select 2", ["select ';' , 'it''s; so'", "select 2 ..."]),
        ('select "a;""b" from "t$snapshots";', ['select "a;""b" from "t$snapshots"']),
        ("-- first; comment\nselect 1 -- one; of it\n + 1; -- last", ["select 1 -- one; of it\n + 1"]),
        ("select /* a; 'b */ 1; select 2;", ["select /* a; 'b */ 1", "select 2"]),
        ("select $$ a; b $$; x", ["select $$ a; b $$", "x ..."]),
        ("select 'not closed; at all", ["select 'not closed; at all ..."]),
        ("select /* not closed; at all", ["select ..."]),
        ("select 1 - 2 / 3;", ["select 1 - 2 / 3"]),
        ("select 'C:\\'; select 2;", ["select 'C:\\'", "select 2"]),
    ],
)
def test_statements_end_at_semicolons_outside_of_strings_names_and_comments(text: str, found: list[str]) -> None:
    assert texts(text) == found


def test_clickhouse_escapes_by_backslash_and_knows_more_comments() -> None:
    assert texts("select 'it\\'s; so'; # no; thing\nselect `a;b`;", "clickhouse") == [
        "select 'it\\'s; so'",
        "select `a;b`",
    ]


def test_a_statement_is_placed_where_it_stood() -> None:
    ended, _ = split_statements("select 1;\n\n  -- two\n   select x;")
    assert [(one.line, one.column) for one in ended] == [(1, 1), (4, 4)]
    assert ended[1].placed == "\n\n\n   select x"


@given(st.text(alphabet="a';\"-/*\n $`\\#", max_size=40), st.sampled_from(["trino", "clickhouse"]))
def test_no_text_is_lost_or_hangs(text: str, engine: str) -> None:
    ended, rest = split_statements(text, engine)
    for one in [*ended, *([rest] if rest else [])]:
        at = sum(len(line) + 1 for line in text.split("\n")[: one.line - 1]) + one.column - 1
        assert text.startswith(one.text, at)


MIXED: list[list[Any]] = [
    [1, Decimal("0.10"), datetime(2026, 1, 2, 3, 4, 5, 600, UTC), date(2026, 1, 2), b"\x00a", [1, None], None, 'é,"\n'],
    [2, Decimal("1E-8"), None, None, None, None, True, ""],
]
NAMES = ["id", "amount", "at", "day", "raw", "list", "flag", "id"]


def written(form: str, *results: Result, limit: int = 0) -> bytes:
    out = io.BytesIO()
    target = Output(form, out, limit)
    for result in results:
        target.put(result)
    return out.getvalue()


def mixed() -> Result:
    return Result(NAMES, [""] * len(NAMES), iter([MIXED[:1], MIXED[1:]]))


def numbers(count: int) -> Result:
    return Result(
        ["n"], ["bigint"], iter([[n] for n in range(at, min(at + 100, count))] for at in range(0, count, 100))
    )


def test_csv_has_exact_decimals_iso_times_and_empty_fields_for_null() -> None:
    assert written("csv", mixed()).decode() == (
        "id,amount,at,day,raw,list,flag,id\n"
        '1,0.10,2026-01-02T03:04:05.000600+00:00,2026-01-02,0061,"[1,null]",,"é,""\n"\n'
        '2,0.00000001,,,,,true,""\n'
    )


class PlayedSession:
    """An engine that knows one answer."""

    @contextlib.contextmanager
    def result(self, sql: str, told: Any, values: Any = None) -> Iterator[Result]:
        yield Result(["name"], ["varchar"], iter([[["محمد"], ["=1+1"]]]))


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ([], BOM + "name\nمحمد\n'=1+1\n".encode()),
        (["--no-bom"], "name\nمحمد\n'=1+1\n".encode()),
        (["--format", "json"], '[{"name":"محمد"},\n {"name":"=1+1"}]\n'.encode()),
    ],
)
def test_a_csv_file_begins_with_a_byte_order_mark_unless_that_is_left_out(
    options: list[str], written: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_result, "open_session", lambda *words, **more: PlayedSession())
    with contextlib.suppress(SystemExit):
        main(["sql", "select 1", "--output", str(tmp_path / "out.csv"), *options])
    assert (tmp_path / "out.csv").read_bytes() == written


def test_csv_for_standard_output_has_no_byte_order_mark(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sql_result, "open_session", lambda *words, **more: PlayedSession())
    with contextlib.suppress(SystemExit):
        main(["sql", "select 1", "--format", "csv"])
    assert capfdbinary.readouterr().out == "name\nمحمد\n'=1+1\n".encode()


def test_a_link_is_written_through_and_not_replaced(tmp_path: Path) -> None:
    """As /dev/stdout is one."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    with destination(str(tmp_path / "link")) as out:
        out.write(b"all")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"all"
    assert [is_plain_file(str(tmp_path / name)) for name in ("file", "link", "new", ".")] == [True, False, True, False]


def test_only_the_first_result_of_a_csv_file_has_a_byte_order_mark() -> None:
    out = io.BytesIO()
    target = Output("csv", out, bom=True)
    target.put(numbers(1))
    target.put(numbers(1))
    assert out.getvalue() == BOM + b"n\n0\n\nn\n0\n"


def test_csv_is_written_block_by_block() -> None:
    out = io.BytesIO()
    written_before = []

    def blocks() -> Iterator[list[list[int]]]:
        for number in range(3):
            written_before.append(len(out.getvalue()))
            yield [[number]] * 100

    Output("csv", out).put(Result(["n"], ["bigint"], blocks()))
    assert written_before == [2, 202, 402]


def test_json_is_an_array_with_one_object_a_line_and_loses_no_column() -> None:
    said = written("json", mixed()).decode()
    assert json.loads(said)[0] == {
        "id": 1, "amount": "0.10", "at": "2026-01-02T03:04:05.000600+00:00", "day": "2026-01-02", "raw": "0061",
        "list": [1, None], "flag": None, "id_2": "é,\"\n",
    }  # fmt: skip
    assert len(said.splitlines()) == 2
    assert written("json", numbers(0)) == b"[]\n"


def test_json_takes_what_json_has_no_word_for() -> None:
    assert (
        value_json({"n": 2**200, "x": float("nan"), "m": {1: Decimal("2.0")}})
        == b'{"n":"%d","x":null,"m":{"1":"2.0"}}' % 2**200
    )


@given(st.recursive(st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_no_whole_number_in_json_is_one_that_a_browser_rounds(value: Any) -> None:
    def same(told: Any, meant: Any) -> bool:
        if isinstance(meant, list):
            return all(same(*both) for both in zip(told, meant, strict=True))
        return int(told) == meant and (isinstance(told, str) or (float(told) == meant and abs(told) < 2**53))

    assert same(json.loads(value_json(value)), value)


def test_long_keys_are_text_in_json_in_each_row() -> None:
    types = ["UInt128", "Nullable(Int256)", "bigint"]
    said = written("json", Result(["sk", "key", "n"], types, iter([[[7, None, 2**53], [2**100, -1, 1]]])))
    assert json.loads(said) == [
        {"sk": "7", "key": None, "n": str(2**53)},
        {"sk": str(2**100), "key": "-1", "n": 1},
    ]


def test_names_that_appear_again_get_a_number() -> None:
    assert distinct(["a", "b", "a", "a_2", "a"]) == ["a", "b", "a_2", "a_2_2", "a_3"]


def test_a_table_shows_the_first_rows_and_counts_the_rest() -> None:
    said = written("table", numbers(1234), limit=1000).decode()
    assert " 999 │" in said
    assert "1000 │" not in said
    assert "1,000 rows shown, 234 more not (--limit-rows 0 shows all" in said
    assert "1,000 rows\n" in written("table", numbers(1000), limit=1000).decode()


def test_rows_that_are_wider_than_the_terminal_stand_one_below_the_other() -> None:
    names, rows = ["id", "a_long_name"], [[1, "x" * 30], [2, None]]
    assert fits(names, rows, 39)
    assert not fits(names, rows, 38)
    assert [line.plain for line in blocks(names, rows)] == [
        "row 1", "  id           1", "  a_long_name  " + "x" * 30, "row 2", "  id           2", "  a_long_name  null",
    ]  # fmt: skip


def test_a_table_does_not_take_data_for_markup_and_cuts_nothing_where_there_is_no_terminal() -> None:
    long = "x" * 500
    said = written("table", Result(["[red]a"], ["varchar"], iter([[["[/b] " + long], [None], [b"\x01"]]]))).decode()
    assert "[red]a" in said
    assert f"[/b] {long}" in said
    assert "null" in said
    assert "3 rows" in said


def test_what_a_statement_without_rows_did_is_said_to_persons_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert written("table", Result([], [], iter(()), "CREATE TABLE")) == b"CREATE TABLE\n"
    assert written("csv", Result([], [], iter(()), "USE"), numbers(1)) == b"n\n0\n"
    assert capsys.readouterr().err == "USE\n"


def test_parquet_has_the_types_of_the_engine_and_row_groups() -> None:
    types = [
        "bigint",
        "decimal(18, 8)",
        "timestamp(6) with time zone",
        "date",
        "varbinary",
        "array(integer)",
        "boolean",
        "varchar",
    ]
    table = pq.read_table(io.BytesIO(written("parquet", Result(NAMES, types, mixed().blocks))))
    assert [str(one) for one in table.schema.types] == [
        "int64", "decimal128(18, 8)", "timestamp[us, tz=UTC]", "date32[day]", "binary", "list<element: int32>", "bool",
        "string",
    ]  # fmt: skip
    assert table.to_pylist()[0]["amount"] == Decimal("0.10000000")
    assert table.column("id_2").to_pylist() == ['é,"\n', ""]
    file = pq.ParquetFile(io.BytesIO(written("parquet", numbers(120_000))))
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (120_000, 3)
    with pytest.raises(LakehouseError, match="holds one result"):
        written("parquet", numbers(1), numbers(1))


@pytest.mark.parametrize(
    ("name", "value", "kind", "stored"),
    [
        ("LowCardinality(Nullable(String))", "x", "string", "x"),
        ("DateTime64(6, 'UTC')", datetime(2026, 1, 1), "timestamp[us, tz=UTC]", datetime(2026, 1, 1, tzinfo=UTC)),
        ("Enum8('a;,)' = 1)", "a;,)", "string", "a;,)"),
        ("Map(String, Array(UInt8))", {"a": [1]}, "map<string, list<item: uint8>>", [("a", [1])]),
        ("Tuple(a UInt8, `b c` String)", (1, "x"), "struct<a: uint8, b c: string>", {"a": 1, "b c": "x"}),
        ('row(a date, "b, c" time(6))', (None, None), "struct<a: date32[day], b, c: time64[us]>", {"a": None, "b, c": None}),
        ("row(bigint, varchar(3))", (1, "x"), "struct<field_1: int64, field_2: string>", {"field_1": 1, "field_2": "x"}),
        ("map(varchar(1), decimal(2, 1))", {"a": Decimal("1.0")}, "map<string, decimal128(2, 1)>", [("a", Decimal("1.0"))]),
        ("UInt256", 2**200, "string", str(2**200)),
    ],
)  # fmt: skip
def test_types_of_both_engines_are_understood(name: str, value: Any, kind: str, stored: Any) -> None:
    found, convert = arrow_type(name)
    assert str(found) == kind
    assert pa.array([convert(value)], found).to_pylist() == [stored]


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with contextlib.suppress(KeyError), destination(str(path)) as out:
        out.write(b"half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with destination(str(path)) as out:
        out.write(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"


def test_the_format_is_what_the_file_is_called() -> None:
    assert [format_of(name) for name in (None, "a.parquet", "a.JSON", "a.txt")] == ["table", "parquet", "json", "csv"]
    with pytest.raises(UsageError, match=r"report.xlsx: .xlsx is none of .csv, .json"):
        format_of("report.xlsx")


def test_values_read_well() -> None:
    assert value_text(datetime(2026, 1, 2, tzinfo=UTC), " ") == "2026-01-02 00:00:00+00:00"
    assert value_text(True) == "true"
    assert value_text({"a": (1, b"\xff")}) == '{"a":[1,"ff"]}'


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["sql", "  -- only; a comment"], "nothing to run"),
        (["sql", "select 1", "--file", __file__], "give one of them"),
        (["sql", "--engine", "clickhouse", "--catalog", "x", "select 1"], "ClickHouse has no catalogs"),
    ],
)
def test_mistakes_end_in_one_sentence_and_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1

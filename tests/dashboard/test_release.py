"""A release that changes the file of a copy's table, and numbers of subscribers that got lost: copies are made right again."""

from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse.copies.copy import copied_tables
from lakehouse.copies.numbers import Numbers, missummed
from lakehouse.copies.server import Server
from lakehouse.copies.shape import shape_of
from lakehouse.errors import LakehouseError
from lakehouse.orchestrator import Orchestrator, _change, _turn_lock
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
COPIED = "select table_name, count() as n from gold.copies group by 1 order by 1"
PEOPLE = "select uniqExact(user_no) as versions, uniqExact(subscriber_no) as n from gold.activity"
COUNTING = "(select * from gold.user_versions order by turn desc limit 1 by user_sk)"
HELD = "select count() as n, sum(cityHash64(toString(tuple(user_sk, number, plan_type, city)))) as hash from "
LOOK_UP, RECORD = HELD + "gold.user_attributes", HELD + COUNTING
KEYS = {name: "user_sk" for name in sorted(copied_tables()) if name.startswith("fact_") or name == "dim_user"}
KEYS |= dict.fromkeys(("fact_calls", "fact_sms"), "from_user_sk")


@pytest.fixture(scope="module")
def server(events: None, settled: Any) -> Server:
    """ClickHouse, with copies of all that was sent."""
    settled()
    return Server(settings())


def wrong(clickhouse: Any, *only: str) -> int:
    """Rows that hold something else than the record has for their key."""
    found = 0
    for table, key in KEYS.items():
        if not only or table in only:
            pairs = {"n.number": "t.number" if table == "dim_user" else "t.user_no"}
            pairs |= {} if table == "dim_user" else {"n.plan_type": "t.user_plan", "n.city": "t.user_city"}
            differ = f"toString(tuple({', '.join(pairs)})) != toString(tuple({', '.join(pairs.values())}))"
            record = f"left any join {COUNTING} as n on n.user_sk = t.{key}"
            found += clickhouse(f"select countIf({differ} or n.number = 0) as n from gold.{table} as t {record}")[0][
                "n"
            ]
    return found


def change(server: Server, plan: str, which: str) -> None:
    """Have the record say another plan of some versions, as a turn of its own."""
    server.run(
        f"insert into gold.user_versions select user_sk, number, '{plan}', city, most + 1 from gold.user_versions"
        f" cross join (select max(turn) as most from gold.user_versions) as m where {which} limit 1 by user_sk"
    )


def set_right(server: Server) -> None:
    """Have the record, the look-up and fact_support say what gold does."""
    numbers = numbering(server)
    numbers.give()
    numbers.bring()
    numbers.correct("fact_support")
    numbers.follow(["fact_support"])


def numbering(server: Server) -> Numbers:
    """Of a process that began just now, and brought the look-up up to date."""
    numbers = Numbers(server, "lk", "lakehouse-copy-test")
    numbers.bring()
    return numbers


def counts(clickhouse: Any) -> dict[str, int]:
    return {table: clickhouse(f"select count() as n from gold.{table}")[0]["n"] for table in KEYS}


@pytest.mark.parametrize("table", ["fact_support", "rejected"])
def test_a_copy_whose_file_changed_is_made_anew(server: Server, clickhouse: Any, table: str) -> None:
    count = f"select count() as n, sum(cityHash64(* except (build_id))) as hash from gold.{table}"
    before, people = clickhouse(count), clickhouse(PEOPLE)
    copied = {row["table_name"]: row["n"] for row in clickhouse(COPIED)}
    server.run(f"alter table gold.{table} drop projection if exists by_plan")
    column = {"fact_support": "user_no", "rejected": "codes"}[table]
    server.run(f"alter table gold.{table} drop column {column}")  # as an earlier release had made it
    Orchestrator(settings()).turn()
    assert clickhouse(count) == before
    assert clickhouse(PEOPLE) == people
    after = {row["table_name"]: row["n"] for row in clickhouse(COPIED)}
    assert {name for name, n in after.items() if n != copied[name]} == {table}


def test_what_was_built_and_not_copied_yet_is_copied_after_a_release(
    server: Server, lakehouse: Any, settled: Any, clickhouse: Any
) -> None:
    lakehouse("generate", "--sources", "support", "--events", "200", "--no-reference", "--json")
    settled()
    count = "select count() as n, sum(cityHash64(* except (build_id))) as hash from gold.fact_support"
    before = clickhouse(count)
    build = clickhouse("select max(build_id) as b from gold.fact_support")[0]["b"]
    one = Orchestrator(settings())
    with _turn_lock(settings()):  # as if the release before had ended between a build and its copies
        server.run(f"alter table gold.copies delete where build_id >= {build} settings mutations_sync = 2")
        server.run(f"delete from gold.fact_support where build_id >= {build}")
        server.run("alter table gold.fact_support drop projection by_plan")
        assert clickhouse(count) != before
        assert one.copies.renew([_change(b) for b in one._complete()])
        one._copy(None, lambda copied: None)
    assert clickhouse(count) == before


def test_a_twin_of_a_table_counts_as_the_same(server: Server) -> None:
    for table in copied_tables():
        server.run(f"create table gold.{table}__twin clone as gold.{table}")
        twin = shape_of(server, f"{table}__twin")
        server.run(f"drop table gold.{table}__twin sync")
        assert twin == shape_of(server, table)


# -- what copies hold of subscribers ---------------------------------------------------------------------------------------


def test_each_version_of_a_subscriber_has_a_number_which_all_of_its_rows_have(server: Server, clickhouse: Any) -> None:
    assert wrong(clickhouse) == 0
    counted = "uniqExact(user_sk) as keys, uniqExact(number) as numbers, max(number) as most"
    [people] = clickhouse(
        "select uniqExact(subscriber_no) as n, uniqExact(subscriber_no, phone_number) as pairs from gold.activity"
    )
    [phones] = clickhouse("select uniqExact(phone_number) as n from gold.activity")
    assert people == {"n": phones["n"], "pairs": phones["n"]}
    record = clickhouse(f"select {counted} from gold.user_versions")
    assert len(set(record[0].values())) == 1, record
    assert record[0]["keys"] > 100


def test_a_row_of_nobody_is_refused(server: Server) -> None:
    row = "select * replace (toUInt128(7) as user_sk) from gold.fact_support limit 1"
    with pytest.raises(LakehouseError, match="NULL"):
        server.run(f"insert into gold.fact_support {row}")


def test_rows_follow_what_changed_under_the_same_key(server: Server, clickhouse: Any) -> None:
    """As after a kill at any moment: whoever comes next knows only what the tables say."""
    moved = "user_sk in (select user_sk from gold.fact_support order by user_sk limit 1 by user_sk limit 5)"
    numbers = f"select number from gold.user_versions where {moved}"
    rows = f"from gold.fact_support where user_no in ({numbers}) group by 1 order by 1"
    plans = f"select toString(user_plan) as plan, count() as n {rows}"
    before = clickhouse(plans)
    with _turn_lock(settings()):
        change(server, "Other", moved)
        for _ in range(2):  # the second one as if the first had been killed before it could note what it did
            numbering(server).correct("fact_support")
            other = clickhouse(plans)
            assert [row["plan"] for row in other] == ["Other"]
            assert wrong(clickhouse, "fact_support") == 0
        set_right(server)
        assert clickhouse(LOOK_UP) == clickhouse(RECORD)
        assert clickhouse(plans) == before
        mutations = "select count() as n from system.mutations where database = 'gold' and table = 'fact_support'"
        done = server.query(mutations)
        numbering(server).correct("fact_support")
        assert server.query(mutations) == done, "nothing had to be done"
    assert wrong(clickhouse) == 0


@pytest.fixture
def wide(server: Server) -> Iterator[str]:
    """A copy in parts that have a file a column, as big ones are, of which a day was deleted and copied again."""
    server.run("create table gold.wide as gold.fact_support")
    try:
        server.run("alter table gold.wide modify setting min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0")
        server.run("insert into gold.wide select * from gold.fact_support")
        days = "select toDate(event_time) as day from gold.fact_support group by day order by count() desc limit 3"
        server.run(f"delete from gold.wide where toDate(event_time) in ({days}) settings lightweight_deletes_sync = 2")
        server.run(f"insert into gold.wide select * from gold.fact_support where toDate(event_time) in ({days})")
        yield "wide"
    finally:
        server.run("drop table gold.wide sync")


def test_sums_by_the_hour_follow_too(server: Server, wide: str) -> None:
    moved = "user_sk in (select user_sk from gold.fact_support)"
    assert missummed(server, wide) == []
    with _turn_lock(settings()):
        for plan in ("A", "B", "C", "Other"):  # turns that nobody followed
            change(server, plan, moved)
        numbering(server).correct(wide)
        assert missummed(server, wide) == []
        assert server.query("select distinct user_plan from gold.wide") == [("Other",)]
        set_right(server)


def test_a_lost_record_is_put_back_from_the_copy_of_dim_user(server: Server, clickhouse: Any) -> None:
    before, rows, people = clickhouse(RECORD), counts(clickhouse), clickhouse(PEOPLE)
    for loss in (
        "alter table gold.user_versions delete where number > 50 settings mutations_sync = 2",
        "truncate table gold.user_versions",
        "drop table gold.user_versions sync",
    ):
        server.run(loss)
        Orchestrator(settings()).turn()
        assert clickhouse(RECORD) == before, loss
    assert wrong(clickhouse) == 0
    assert (counts(clickhouse), clickhouse(PEOPLE)) == (rows, people)


def test_where_all_numbers_are_lost_the_copies_are_made_anew(server: Server, clickhouse: Any) -> None:
    before, people = counts(clickhouse), clickhouse(PEOPLE)
    server.run("truncate table gold.dim_user")
    server.run("truncate table gold.user_versions")
    Orchestrator(settings()).turn()
    assert wrong(clickhouse) == 0
    assert clickhouse(LOOK_UP) == clickhouse(RECORD)
    assert (counts(clickhouse), clickhouse(PEOPLE)) == (before, people)


@pytest.mark.parametrize(
    "spoil",
    [
        "truncate table gold.user_attributes",
        "insert into gold.user_attributes values (1, 1, 'a', 'b')",
        "alter table gold.user_attributes delete where number < 5",
        "insert into gold.user_versions select 9, max(number) + 1, null, 'c', max(turn) + 1 from gold.user_versions",
        "insert into gold.user_versions select user_sk, number, 'd', null, turn + 9 from gold.user_versions where user_sk = 9",
    ],
)
def test_the_look_up_is_filled_from_the_record_where_they_differ(server: Server, clickhouse: Any, spoil: str) -> None:
    server.run(spoil)
    numbering(server)
    assert clickhouse(LOOK_UP) == clickhouse(RECORD)

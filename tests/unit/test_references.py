"""Reference records as workers share them through Redis."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import fakeredis
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import reference_keys
from streams.contract import Contract, contracts
from streams.kernel import history as history_module
from streams.kernel.history import History
from streams.reference_records import VERSIONS
from streams.references import References

Rows = list[tuple[Any, ...]]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


def worker(server: fakeredis.FakeServer) -> References:
    return References(contracts(), fakeredis.FakeRedis(server=server))


_OFFSETS = itertools.count()


def devices(*brands: tuple[str, str | None], since: int | None = None) -> pl.DataFrame:
    """Accepted records of devices as silver gives them, in arrival order.

    Args:
        since: from which day on they hold, else from their arrival.
    """
    names = [f.column for f in contracts()["devices"].fields]
    rows = []
    for tac, brand in brands:
        offset = next(_OFFSETS)
        arrived = EPOCH + timedelta(milliseconds=offset)
        holds = arrived if since is None else EPOCH + timedelta(days=since)
        placed = {"kafka_timestamp": arrived, "kafka_partition": 0, "kafka_offset": offset, "effective_from": holds}
        rows.append(dict.fromkeys(names) | {"tac": tac, "brand": brand, "is_smartphone": True} | placed)
    instants = dict.fromkeys(("effective_from", "kafka_timestamp"), pl.Datetime("us", "UTC"))
    whole = dict.fromkeys(("kafka_partition", "kafka_offset"), pl.Int64)
    schema = dict.fromkeys(names, pl.String) | {"is_smartphone": pl.Boolean} | instants | whole
    return pl.DataFrame(rows, schema=schema)


TACS = ["11111111", "35846279", "86945303", "99999999"]


def known(references: References, day: int = 10_000) -> Rows:
    """The devices that a record named, and the brand that each had on a day."""
    keys = pa.array(TACS, pa.large_string())
    named, found = references.histories["devices"].look_up(keys, np.full(len(TACS), day * 86_400_000_000), ["brand"])
    return [row for row, there in zip(zip(TACS, found["brand"].to_pylist(), strict=True), named, strict=True) if there]


def test_nothing_is_known_at_first_and_nothing_changes_without_news(server: fakeredis.FakeServer) -> None:
    one = worker(server)
    assert not one.refresh()
    kinds = ("users", "devices", "cell_sites", "agents")
    assert {name: len(history) for name, history in one.histories.items()} == dict.fromkeys(kinds, 0)


def test_two_workers_see_each_others_records(server: fakeredis.FakeServer) -> None:
    one, other = worker(server), worker(server)
    one.publish("devices", devices(("35846279", "Nokia")))
    other.publish("devices", devices(("86945303", "Huawei")))
    for each in (one, other):
        assert each.refresh()
        assert known(each) == [("35846279", "Nokia"), ("86945303", "Huawei")]
        assert not each.refresh()


def test_the_last_record_of_a_key_counts(server: fakeredis.FakeServer) -> None:
    one = worker(server)
    one.publish("devices", devices(("35846279", "Nokia"), ("86945303", "Huawei"), ("35846279", "HMD")))
    one.refresh()
    one.publish("devices", devices(("86945303", None)))
    assert one.refresh()
    assert known(one) == [("35846279", "HMD"), ("86945303", None)]


def test_the_version_counts_that_held_when_an_event_arrived(server: fakeredis.FakeServer) -> None:
    """One of last year that comes late does not displace this year's; one that holds from next year says nothing yet."""
    one, other = worker(server), worker(server)
    one.publish("devices", devices(("35846279", "Nokia"), since=400))
    other.publish("devices", devices(("35846279", "HMD"), since=100))
    other.publish("devices", devices(("35846279", "Fairphone"), since=900))
    one.publish("devices", devices(("86945303", "Huawei"), since=5_000))
    for each in (one, other):
        each.refresh()
        found = [known(each, day) for day in (99, 100, 399, 400, 899, 900)]
        assert [rows[0][1] for rows in found] == [None, "HMD", "HMD", "Nokia", "Nokia", "Fairphone"]
        assert {rows[1] for rows in found} == {("86945303", None)}  # named, and nothing said yet


def test_a_deletion_holds_from_its_instant_on(server: fakeredis.FakeServer) -> None:
    one = worker(server)
    one.publish("devices", devices(("35846279", "Nokia"), since=100))
    one.publish("devices", devices(("35846279", None), since=200))
    one.refresh()
    assert [known(one, day)[0] for day in (150, 250)] == [("35846279", "Nokia"), ("35846279", None)]


def test_of_two_records_from_one_instant_on_the_later_counts_whoever_shares_them_first(
    server: fakeredis.FakeServer,
) -> None:
    one = worker(server)
    earlier, later = (devices(("35846279", brand), since=100) for brand in ("Nokia", "HMD"))
    for records in (later, earlier, later, earlier):
        one.publish("devices", records)
    one.refresh()
    assert known(one) == [("35846279", "HMD")]


def test_a_record_that_changes_each_second_takes_no_more_room_than_its_latest_versions(
    server: fakeredis.FakeServer,
) -> None:
    one = worker(server)
    for day in range(0, 3 * VERSIONS, VERSIONS // 2):
        for since in range(day, day + VERSIONS // 2):
            one.publish("devices", devices(("35846279", f"B{since}"), since=since))
        one.refresh()
    history = one.histories["devices"]
    assert history._rows[1] <= VERSIONS + VERSIONS // 2
    days = (2 * VERSIONS - 1, 2 * VERSIONS, 3 * VERSIONS - 1)
    assert [known(one, day)[0][1] for day in days] == [None, f"B{2 * VERSIONS}", f"B{3 * VERSIONS - 1}"]


def test_values_that_nobody_has_any_more_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "_STALE", 10)
    history = History(["brand"])
    for number in range(100):
        history.replace([("a", [(0, [f"B{number}"])]), ("b", [(0, ["always"])])])
    _, found = history.look_up(pa.array(["a", "b"], pa.large_string()), np.zeros(2, np.int64), ["brand"])
    assert found["brand"].to_pylist() == ["B99", "always"]
    assert len(history._values) <= 12


@settings(max_examples=60)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b", "é", "", "a long key, longer than any phone number"]),
                st.dictionaries(st.integers(-3, 3), st.sampled_from([None, "", "x", "é", "longer"]), min_size=1),
            ),
            max_size=4,
            unique_by=lambda record: record[0],
        ),
        max_size=12,
    )
)
def test_a_history_answers_as_a_list_of_versions_does(changes: list[list[tuple[str, dict[int, str | None]]]]) -> None:
    history, plain = History(["brand", "other"]), dict[str, dict[int, str | None]]()
    for records in changes:
        latest_first = [(key, sorted(versions.items(), reverse=True)) for key, versions in records]
        history.replace([(key, [(at, (text, "o")) for at, text in versions]) for key, versions in latest_first])
        plain |= dict(records)
    asked = [(key, at) for key in ("a", "b", "é", "", "?", None) for at in range(-4, 5)]
    keys, times = pa.array([key for key, _ in asked], pa.large_string()), np.array([at for _, at in asked], np.int64)
    named, found = history.look_up(keys, times, ["brand", "other"])
    assert named.tolist() == [key in plain for key, _ in asked]
    said = [plain.get("-" if key is None else key, {}) for key, _ in asked]
    holding = [
        max((since for since in of if since <= at), default=None) for of, (_, at) in zip(said, asked, strict=True)
    ]
    wanted = [None if since is None else of[since] for of, since in zip(said, holding, strict=True)]
    assert found["brand"].to_pylist() == wanted
    assert found["other"].to_pylist() == [None if since is None else "o" for since in holding]


def test_the_columns_are_those_of_the_latest_version_with_their_types(server: fakeredis.FakeServer) -> None:
    one = worker(server)
    for since, brand in ((300, "HMD"), (100, "Nokia")):
        one.publish("devices", devices(("35846279", brand), since=since))
    held = json.loads(fakeredis.FakeRedis(server=server).get(reference_keys.record("devices", "35846279")))
    assert (held["brand"], held["is_smartphone"], held["model"]) == ("HMD", True, None)


def test_a_record_of_the_longest_texts_fits_and_is_read_back(server: fakeredis.FakeServer) -> None:
    """Escaped, a text takes six times its bytes."""
    one = worker(server)
    for since in range(VERSIONS):
        long = {
            f.column: pl.lit("\x01" * (f.max_length or 0)) for f in contracts()["devices"].fields if f.type == "string"
        }
        one.publish("devices", devices(("35846279", "?"), since=since).with_columns(**long))
    assert one.refresh()
    assert known(one) == [("35846279", "\x01" * 8192)]


@pytest.mark.parametrize("form", [None, "brand,other", ["a list"]])
def test_records_of_another_form_are_made_again_from_silver(server: fakeredis.FakeServer, form: Any) -> None:
    """As the workers of before wrote them, and for contracts that enrich by other attributes."""
    store = fakeredis.FakeRedis(server=server)
    worker(server).publish("devices", devices(("35846279", "Nokia")))
    store.set(reference_keys.record("devices", "35846279"), '{"tac": "35846279", "brand": "Nokia"}')
    store.delete(reference_keys.form("devices"))
    if isinstance(form, list):
        store.rpush(reference_keys.form("devices"), *form)
    elif form is not None:
        store.set(reference_keys.form("devices"), form)
    one = worker(server)
    one.warm(lambda contract: devices(("35846279", "HMD")) if contract.source == "devices" else pl.DataFrame())
    one.refresh()
    one.refresh()
    assert known(one) == [("35846279", "HMD")]


def test_each_record_has_a_key_of_its_own_that_the_sorted_set_names(server: fakeredis.FakeServer) -> None:
    """What Trino's Redis connector can read; lakehouse/stack/catalogs.py describes it."""
    worker(server).publish("devices", devices(("35846279", "Nokia"), ("86945303", "Huawei")))
    held = fakeredis.FakeRedis(server=server, decode_responses=True)
    keys = held.zrange(reference_keys.changes("devices"), 0, -1)
    assert keys == [reference_keys.record("devices", tac) for tac in ("35846279", "86945303")]
    assert [json.loads(text)["brand"] for text in held.mget(keys)] == ["Nokia", "Huawei"]


def test_a_worker_that_comes_later_learns_all(server: fakeredis.FakeServer) -> None:
    worker(server).publish("devices", devices(*((f"{tac:08d}", "x") for tac in range(12_000))))
    late = worker(server)
    assert late.refresh()
    assert len(late.histories["devices"]) == 12_000


def test_an_empty_redis_is_filled_from_silver_once(server: fakeredis.FakeServer) -> None:
    asked = []

    def rebuild(contract: Contract) -> pl.DataFrame:
        asked.append(contract.source)
        return devices(("35846279", "Nokia"), ("35846279", "HMD")) if contract.source == "devices" else pl.DataFrame()

    one = worker(server)
    one.warm(rebuild)
    one.refresh()
    assert known(one) == [("35846279", "HMD")]
    assert sorted(asked) == ["agents", "cell_sites", "devices", "users"]
    worker(server).warm(rebuild)
    assert asked.count("devices") == 1


def test_after_redis_was_emptied_old_records_stay_and_new_ones_are_seen(server: fakeredis.FakeServer) -> None:
    one = worker(server)
    one.publish("devices", devices(("35846279", "Nokia"), ("86945303", "Huawei")))
    one.refresh()
    fakeredis.FakeRedis(server=server).flushall()
    assert not one.refresh()
    worker(server).publish("devices", devices(("99999999", "Fairphone")))
    assert one.refresh()
    assert known(one) == [("35846279", "Nokia"), ("86945303", "Huawei"), ("99999999", "Fairphone")]


def test_without_redis_the_frames_stay_as_they_were(server: fakeredis.FakeServer) -> None:
    one = worker(server)
    one.publish("devices", devices(("35846279", "Nokia")))
    one.refresh()
    server.connected = False
    with pytest.raises(redis.RedisError):
        one.refresh()
    assert known(one) == [("35846279", "Nokia")]


def test_a_record_published_while_another_worker_publishes_is_not_passed_over(server: fakeredis.FakeServer) -> None:
    """A reader must never see a change's number before the change itself."""
    reader = worker(server)

    class Slow(fakeredis.FakeRedis):
        """A connection that is overtaken by another worker just before it sends its records."""

        overtaken = False

        def pipeline(self, *arguments: Any, **options: Any) -> Any:
            made = super().pipeline(*arguments, **options)
            execute = made.execute

            def after_the_other(*rest: Any, **more: Any) -> Any:
                if not Slow.overtaken:
                    Slow.overtaken = True
                    worker(server).publish("devices", devices(("86945303", "Huawei")))
                    reader.refresh()
                return execute(*rest, **more)

            made.execute = after_the_other
            return made

    References(contracts(), Slow(server=server)).publish("devices", devices(("35846279", "Nokia")))
    reader.refresh()
    assert known(reader) == [("35846279", "Nokia"), ("86945303", "Huawei")]


HOSTILE: dict[str, Any] = {
    "no JSON": b"{",
    "no text": b"\xff\xfe",
    "no object": b"[1]",
    "nested without end": b"[" * 100_000,
    "a record without versions": b'{"tac": "35846279", "brand": "HMD"}',
    "versions that are none": b'{"tac": "35846279", "versions": [1]}',
    "a version without its place": b'{"tac": "35846279", "versions": [["x", 0, 0, 0, "HMD"]]}',
    "a version beyond 64 bits": b'{"tac": "35846279", "versions": [[1e400, 0, 0, 0, "HMD"]]}',
    "a brand that is no text": b'{"tac": "35846279", "versions": [[0, 0, 0, 0, 7]]}',
    "a brand of half a character": b'{"tac": "35846279", "versions": [[0, 0, 0, 0, "\\ud800"]]}',
    "versions in no order": b'{"tac": "35846279", "versions": [[0, 0, 0, 0, "HMD"], [1, 0, 0, 0, "HMD"]]}',
    "too many versions": json.dumps({"tac": "35846279", "versions": [[-i, 0, 0, 0, "x"] for i in range(40)]}).encode(),
    "a brand that is a number": b'{"tac": "35846279", "brand": 7}',
    "a flag that is a text": b'{"tac": "35846279", "is_smartphone": "x"}',
    "another key's": b'{"tac": "86945303", "versions": [[0, 0, 0, 0, "Huawei"]]}',
    "without its key": b"{}",
    "larger than any": b'"' + b"x" * 1_600_000 + b'"',
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_no_record_is_left_out_and_what_it_hid_comes_from_silver(
    server: fakeredis.FakeServer, value: bytes
) -> None:
    writer = worker(server)
    writer.publish("devices", devices(("35846279", "Nokia"), ("86945303", "Huawei")))
    store = fakeredis.FakeRedis(server=server)
    store.set(reference_keys.record("devices", "35846279"), value)
    reader = worker(server)
    reader.warm(lambda contract: devices(("35846279", "Nokia")) if contract.source == "devices" else pl.DataFrame())
    assert reader.refresh()
    assert known(reader) == [("86945303", "Huawei")]
    assert reader.refresh()
    assert known(reader) == [("35846279", "Nokia"), ("86945303", "Huawei")]


@pytest.mark.parametrize("name", [b"\xff\xfe", b"lakehouse:turn:x", b"lakehouse:references:users:record:1", b""])
def test_a_change_of_what_is_no_record_is_removed(server: fakeredis.FakeServer, name: bytes) -> None:
    writer = worker(server)
    writer.publish("devices", devices(("35846279", "Nokia"), ("86945303", "Huawei")))
    store = fakeredis.FakeRedis(server=server)
    store.set("lakehouse:turn:x", "a worker's")
    store.zadd(reference_keys.changes("devices"), {name: 1.5})
    reader = worker(server)
    assert reader.refresh()
    assert known(reader) == [("35846279", "Nokia"), ("86945303", "Huawei")]
    assert store.zscore(reference_keys.changes("devices"), name) is None
    assert store.get("lakehouse:turn:x") == b"a worker's"


@pytest.mark.parametrize("score", [float("inf"), 1e300, float("-inf")])
def test_a_change_out_of_all_order_holds_nobody_up(server: fakeredis.FakeServer, score: float) -> None:
    one = worker(server)
    one.publish("devices", devices(("35846279", "Nokia")))
    fakeredis.FakeRedis(server=server).zadd(reference_keys.changes("devices"), {b"odd": score})
    assert one.refresh()
    assert not one.refresh()
    one.publish("devices", devices(("86945303", "Huawei")))
    assert one.refresh()
    assert known(one) == [("35846279", "Nokia"), ("86945303", "Huawei")]


@pytest.mark.parametrize("version", ["x", "-1", "9" * 400, str(2**60), ["a list"], {"a": "hash"}])
@pytest.mark.parametrize("key", [reference_keys.version, reference_keys.changes])
def test_a_log_that_is_none_is_filled_from_silver(server: fakeredis.FakeServer, key: Any, version: Any) -> None:
    store = fakeredis.FakeRedis(server=server)
    one = worker(server)
    one.publish("devices", devices(("35846279", "Nokia")))
    name = key("devices")
    store.delete(name)
    if isinstance(version, list):
        store.rpush(name, *version)
    elif isinstance(version, dict):
        store.hset(name, mapping=version)
    else:
        store.set(name, version)
    other = worker(server)
    other.warm(lambda contract: devices(("35846279", "HMD")) if contract.source == "devices" else pl.DataFrame())
    other.refresh()
    assert other.refresh()
    assert known(other) == [("35846279", "HMD")]
    other.publish("devices", devices(("86945303", "Huawei")))
    assert other.refresh()
    assert known(other) == [("35846279", "HMD"), ("86945303", "Huawei")]

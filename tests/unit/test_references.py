"""Reference records as workers share them through Redis."""

import json
from typing import Any

import fakeredis
import polars as pl
import pytest
import redis

from streams import reference_keys
from streams.contract import Contract, contracts
from streams.references import References

Rows = list[tuple[Any, ...]]


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


def worker(server: fakeredis.FakeServer) -> References:
    return References(contracts(), fakeredis.FakeRedis(server=server))


def devices(*brands: tuple[str, str | None]) -> pl.DataFrame:
    """Accepted records of devices as silver gives them, in arrival order."""
    names = [f.column for f in contracts()["devices"].fields]
    rows = [dict.fromkeys(names) | {"tac": tac, "brand": brand, "is_smartphone": True} for tac, brand in brands]
    schema = dict.fromkeys(names, pl.String) | {"is_smartphone": pl.Boolean}
    return pl.DataFrame(rows, schema=schema)


def known(references: References) -> Rows:
    return sorted(references.frames["devices"].select("tac", "brand").rows())


def test_nothing_is_known_at_first_and_nothing_changes_without_news(server: fakeredis.FakeServer) -> None:
    one = worker(server)
    assert not one.refresh()
    kinds = ("users", "devices", "cell_sites", "agents")
    assert {name: frame.height for name, frame in one.frames.items()} == dict.fromkeys(kinds, 0)


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


def test_columns_keep_their_types(server: fakeredis.FakeServer) -> None:
    one = worker(server)
    site = {
        "cell_id": "CELL00001",
        "site_name": None,
        "city": "Giza",
        "region": None,
        "latitude": 30.0,
        "longitude": -1.5,
    }
    one.publish("cell_sites", pl.DataFrame([site]))
    one.publish("devices", devices(("35846279", "Nokia")))
    one.refresh()
    assert one.frames["cell_sites"].row(0, named=True) == site
    assert one.frames["devices"]["is_smartphone"].to_list() == [True]


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
    assert late.frames["devices"].height == 12_000


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
    "a brand that is a number": b'{"tac": "35846279", "brand": 7}',
    "a flag that is a text": b'{"tac": "35846279", "is_smartphone": "x"}',
    "another key's": b'{"tac": "86945303", "brand": "Huawei"}',
    "without its key": b"{}",
    "larger than any": b'"' + b"x" * 300_000 + b'"',
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

"""What Trino reads as its catalogs, written from contracts and settings."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings, settings
from lakehouse.stack import catalogs, trino_plugins
from streams import reference_keys
from streams.contract import contracts


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An operator's folder with a source and two catalogs, one in the place of a file of ours."""
    folder = tmp_path / "ours"
    source = {
        "source": "data_usage",
        "kind": "event",
        "event_type": "data",
        "fields": [{"name": "mb", "type": "double"}],
    }
    files = {
        "streams/contracts/data_usage.yaml": yaml.safe_dump(source),
        "trino/etc/catalog/crm.properties": "connector.name=postgresql\nconnection-url=${ENV:CRM_URL}\n",
        "trino/etc/catalog/redis.properties": "connector.name=redis\nredis.nodes=elsewhere:6379\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setenv("LAKEHOUSE_EXTENSIONS", json.dumps([str(folder)]))
    settings.cache_clear()
    contracts.cache_clear()
    yield folder
    monkeypatch.undo()
    settings.cache_clear()
    contracts.cache_clear()


def written(folder: Path, **values: Any) -> dict[str, str]:
    catalogs.write(Settings(**values), folder)
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def columns(table: dict[str, Any], part: str) -> dict[str, str]:
    return {one["name"]: one["mapping"] for one in table[part]["fields"]}


def test_each_source_is_a_table_of_its_topic_and_each_reference_one_of_redis(tmp_path: Path) -> None:
    files = written(tmp_path, topics={"calls": "CALL_TOPIC"})
    assert {name for name in files if name.startswith("kafka/")} == {f"kafka/{source}.json" for source in contracts()}
    assert {name for name in files if name.startswith("redis/")} == {
        f"redis/{source}.json" for source, contract in contracts().items() if not contract.is_event
    }
    topics = {source: json.loads(files[f"kafka/{source}.json"])["topicName"] for source in contracts()}
    assert topics == {source: source for source in contracts()} | {"calls": "CALL_TOPIC"}
    assert f"kafka.table-names={','.join(contracts())}\n" in files["catalog/kafka.properties"]


def test_columns_of_a_topic_are_those_of_silver_and_every_spelling_has_one() -> None:
    for contract in contracts().values():
        found = list(catalogs.kafka_columns(contract))
        names = [name for name, _, _ in found]
        assert names[: len(contract.fields)] == [field.column for field in contract.fields]
        assert len(set(names)) == len(names)
        assert {path for _, path, _ in found} == {path for path, _ in contract.spellings()}, contract.source


def test_a_column_is_text_with_its_place_and_meaning() -> None:
    table = catalogs.kafka_table(contracts()["calls"], Settings())
    assert {field["type"] for field in table["message"]["fields"]} == {"VARCHAR"}
    assert all(field["comment"] for field in table["message"]["fields"])
    named = columns(table, "message")
    assert (named["event_id"], named["event_time"]) == ("sid", "timestamp")
    assert (named["amount"], named["amount_flat"]) == ("billing_info/amount", "amount")
    users = columns(catalogs.kafka_table(contracts()["users"], Settings()), "message")
    assert (users["plan_type"], users["customer_type"]) == ("plan_type", "customer_type")


def test_a_reference_record_is_found_where_workers_put_it() -> None:
    table = catalogs.redis_table(contracts()["cell_sites"])
    assert table["key"] == {"dataFormat": "zset", "name": reference_keys.changes("cell_sites")}
    types = {field["name"]: field["type"] for field in table["value"]["fields"]}
    assert (types["cell_id"], types["latitude"]) == ("VARCHAR", "DOUBLE")
    assert "effective_from" not in types


def test_an_operators_sources_and_catalogs_are_beside_ours(ours: Path, tmp_path: Path) -> None:
    files = written(tmp_path / "out")
    assert columns(json.loads(files["kafka/data_usage.json"]), "message")["mb"] == "mb"
    assert "data_usage" in files["catalog/kafka.properties"]
    assert files["catalog/crm.properties"] == (ours / "trino/etc/catalog/crm.properties").read_text()
    assert "elsewhere" in files["catalog/redis.properties"]
    (ours / "trino/etc/catalog/crm.properties").unlink()
    assert "catalog/crm.properties" not in written(tmp_path / "out")


def test_a_line_whose_variable_is_empty_is_left_out(tmp_path: Path) -> None:
    without = written(tmp_path)["catalog/redis.properties"]
    assert "redis.user" not in without
    assert "redis.password" not in without
    url = "redis://me:p%40ss@cache.example:6380/3"
    assert "redis.password=${ENV:REDIS_PASSWORD}\n" in written(tmp_path, redis_url=url)["catalog/redis.properties"]
    said = catalogs.variables(Settings(redis_url=url))
    assert {name: value for name, value in said.items() if name.startswith("REDIS_")} == {
        "REDIS_ADDRESS": "cache.example:6380",
        "REDIS_DATABASE": "3",
        "REDIS_USER": "me",
        "REDIS_PASSWORD": "p@ss",
    }
    assert "p@ss" not in "".join(written(tmp_path, redis_url=url).values())


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with a small tarball in the place of Trino's."""
    tarball = tmp_path / "trino-server-1.tar.gz"
    with tarfile.open(tarball, "w:gz") as archive:
        for name in (
            "lib/server.jar",
            *(f"plugin/{one}/it.jar" for one in (*trino_plugins._FIRST, "delta-lake", "tpch")),
        ):
            archive.addfile(tarfile.TarInfo(f"trino-server-1/{name}"))
    monkeypatch.setattr(trino_plugins, "trino_tarball", lambda folder: tarball)
    return tmp_path


def linked(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if (path / "it.jar").exists()}


def test_a_stack_loads_the_plugins_that_its_catalogs_name(cache: Path) -> None:
    catalogs.write(Settings(), cache / "out")
    trino_plugins.link(cache, cache / "out" / "catalog", cache / "plugins")
    assert linked(cache / "plugins") == {*trino_plugins._ALWAYS, "iceberg", "clickhouse", "kafka", "redis"}
    example = (catalogs_folder() / "postgresql.properties.example").read_text()
    (cache / "out" / "catalog" / "crm.properties").write_text(example)
    (cache / "out" / "catalog" / "lake.properties").write_text("connector.name = delta_lake\n")
    trino_plugins.link(cache, cache / "out" / "catalog", cache / "plugins")
    assert linked(cache / "plugins") - {*trino_plugins._ALWAYS, "iceberg", "clickhouse", "kafka", "redis"} == {
        "postgresql", "geospatial", "delta-lake"
    }  # fmt: skip


def test_plugins_are_unpacked_when_they_are_wanted(cache: Path) -> None:
    trino_plugins.unpack(cache)
    there = trino_plugins.home(cache) / "plugin"
    assert linked(there) == set(trino_plugins._FIRST)
    trino_plugins.unpack(cache, ["iceberg", "tpch"])
    assert linked(there) == {*trino_plugins._FIRST, "tpch"}
    with pytest.raises(LakehouseError, match="no plugin abacus; it has clickhouse, delta-lake, "):
        trino_plugins.unpack(cache, ["abacus"])
    assert not list(cache.glob("unpacking-*"))


def catalogs_folder() -> Path:
    return Path(__file__).resolve().parents[2] / catalogs.FOLDER

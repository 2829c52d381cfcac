"""The drawn schema and the lineage of columns say what models and contracts say."""

import re
from types import ModuleType

import pytest

from lakehouse.gold.models import Model, models
from streams import silver
from streams.contract import contracts

FACTS = [m for m in models().values() if m.kind == "fact"]
READING = [m for m in models().values() if m.reads is not None]
# made by the build, or because no record is there
WITHOUT_ORIGIN = {"build_id", "is_inferred"}


def _table(model: Model) -> str:
    return model.table


@pytest.mark.parametrize("model", READING, ids=_table)
def test_every_column_that_is_read_names_where_it_comes_from(generator: ModuleType, model: Model) -> None:
    origins = generator.lineage(model)
    assert {c.name for c in model.columns if not origins.get(c.name)} <= WITHOUT_ORIGIN


@pytest.mark.parametrize("model", READING, ids=_table)
def test_an_origin_is_a_column_of_silver_and_a_member_of_the_message(generator: ModuleType, model: Model) -> None:
    assert model.reads is not None
    contract = contracts()[model.reads]
    columns = {c.name for c in silver.columns(contract)}
    paths = {".".join(path) for path, _ in contract.spellings()}
    keys = {k.column for k in model.foreign_keys}
    for name, said in generator.lineage(model).items():
        for origin in filter(None, said.split(", ") if name not in keys else ()):
            column, _, member = origin.replace("`", "").partition(" ← ")
            assert column in columns, (name, origin)
            assert not member or member == "Kafka" or member in paths, (name, origin)


def test_renamed_and_computed_columns_are_followed(generator: ModuleType) -> None:
    said = generator.lineage(models()["fact_calls"])
    assert said["call_id"] == "`event_id` ← `sid`"
    assert said["from_tac"] == "`from_imei` ← `from.imei`"
    assert said["date_sk"] == "`event_time` ← `timestamp`"
    assert said["to_user_sk"] == "`dim_user` by `phone_number` = `to_phone_number` at `event_time`"
    assert generator.lineage(models()["dim_device"])["brand"] == "`brand`"
    assert generator.lineage(models()["dim_user"])["updated_at"] == "`kafka_timestamp` ← Kafka"


@pytest.mark.parametrize("fact", FACTS, ids=_table)
def test_every_key_of_a_fact_is_drawn(generator: ModuleType, fact: Model) -> None:
    shared = [m for m in models().values() if m.kind != "fact"]
    drawn = re.findall(r'(\w+) \|\|--o\{ (\w+) : "(.*)"', generator.diagram([fact], shared))
    found = {key: dimension for dimension, table, keys in drawn for key in keys.split(", ") if table == fact.table}
    declared = {k.column: k.dimension for k in fact.foreign_keys}
    assert found == {"date_sk": "dim_date", "time_sk": "dim_time", **declared}


def test_the_matrix_has_a_line_a_fact_and_the_roles_of_its_keys(generator: ModuleType) -> None:
    calls, support = models()["fact_calls"], models()["fact_support"]
    shared = [models()[name] for name in ("dim_date", "dim_agent", "dim_user")]
    assert generator.matrix([calls, support], shared).splitlines() == [
        "              dim_date  dim_agent  dim_user",
        "fact_calls    x                    from, to",
        "fact_support  x         x          x",
    ]

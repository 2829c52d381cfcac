"""Each gold model gives what its examples say, on Trino; histories also equal an independent reading of the words."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from gold_rows import select_of

from lakehouse.gold.engine import Engine
from lakehouse.gold.models import models
from lakehouse.paths import data_folder
from lakehouse.settings import settings

pytestmark = pytest.mark.stack
FOLDER = data_folder("trino") / "gold"


def _examples() -> list[Any]:
    found = []
    for path in sorted(FOLDER.glob("*.examples.yaml")):
        table = path.name.removesuffix(".examples.yaml")
        found += [pytest.param(table, e, id=f"{table}: {e['name']}") for e in yaml.safe_load(path.read_text())]
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def _sorted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: [str(v) for v in row.values()])


@pytest.mark.parametrize(("table", "example"), _examples())
def test_a_model_gives_what_its_example_says(stack: Any, table: str, example: dict[str, Any]) -> None:
    model = models()[table]
    select = select_of(model, example.get("silver", {}), example.get("gold", {}), settings(), example.get("only"))
    names, rows = Engine(settings(), source="lakehouse-test").table(select)
    found = [{n: _plain(v) for n, v in zip(names, row, strict=True)} for row in rows]
    expected = [{n: _plain(v) for n, v in row.items()} for row in example["rows"]]
    assert len(found) == len(expected), found
    left = list(found)
    for row in expected:
        match = [f for f in left if all(f[n] == v for n, v in row.items())]
        assert match, (row, left)
        left.remove(match[0])


def test_every_model_has_its_description_and_examples() -> None:
    for sql in FOLDER.glob("*.sql"):
        for sibling in (f"{sql.stem}.yaml", f"{sql.stem}.examples.yaml"):
            assert Path(FOLDER / sibling).is_file(), f"{sql.name} needs {sibling}"


TYPE_2 = ("user_id", "plan_type", "status", "address", "city")
TYPE_1 = ("name", "email", "gender", "age_group", "activation_date")
BEGINNING, END = datetime(1900, 1, 1), datetime(9999, 12, 31)


def _random_records(draw: random.Random) -> list[dict[str, Any]]:
    records = []
    for key in range(60):
        for offset in range(draw.randrange(1, 8)):
            deleted = draw.random() < 0.2
            at = datetime(2026, 1, 1) + timedelta(days=draw.randrange(6))
            record: dict[str, Any] = {
                "phone_number": f"+2010{key:08d}",
                "effective_from": at,
                "kafka_timestamp": at + timedelta(hours=draw.randrange(4)),
                "kafka_partition": draw.randrange(2),
                "kafka_offset": offset,
                "is_deleted": deleted,
            }
            if not deleted:
                record |= {"plan_type": draw.choice(["a", "b", None]), "city": draw.choice(["x", "y"])}
                record |= {"name": draw.choice(["m", "n", None])}
            records.append(record)
    return records


def _history(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """model.md, "History of a key", word by word."""
    versions: list[dict[str, Any]] = []
    order = ("effective_from", "kafka_timestamp", "kafka_partition", "kafka_offset")
    for key in sorted({r["phone_number"] for r in records}):
        mine = sorted((r for r in records if r["phone_number"] == key), key=lambda r: [r[o] for o in order])
        counting = [
            r for i, r in enumerate(mine) if i + 1 == len(mine) or mine[i + 1]["effective_from"] != r["effective_from"]
        ]
        living = [r for r in counting if not r["is_deleted"]]
        own: list[dict[str, Any]] = []
        for r in counting:
            tracked = [r.get(a) for a in TYPE_2] + [r["is_deleted"]]
            if own and own[-1]["tracked"] == tracked:
                continue
            own.append({"tracked": tracked, "effective_from": r["effective_from"], "is_deleted": r["is_deleted"]})
        for i, version in enumerate(own):
            version["valid_from"] = BEGINNING if i == 0 else version["effective_from"]
        for i, version in enumerate(own):
            version["valid_to"] = own[i + 1]["valid_from"] if i + 1 < len(own) else END
            latest = {a: None if version["is_deleted"] else living[-1].get(a) for a in TYPE_1}
            tracked = dict(zip(TYPE_2, version.pop("tracked")[:-1], strict=True))
            updated_at = max(r["kafka_timestamp"] for r in mine)
            versions.append({"phone_number": key, **tracked, **latest, **version, "updated_at": updated_at})
    return versions


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_histories_equal_an_independent_reading(stack: Any, seed: int) -> None:
    records = _random_records(random.Random(seed))
    select = select_of(models()["dim_user"], {"users": records}, {}, settings())
    names, rows = Engine(settings(), source="lakehouse-test").table(select)
    expected = [{n: _plain(v) for n, v in version.items()} for version in _history(records)]
    wanted = list(expected[0])
    found = [{n: _plain(dict(zip(names, row, strict=True))[n]) for n in wanted} for row in rows]
    assert _sorted(found) == _sorted(expected)

"""Grafana's files agree with each other and with compose.yaml; Power BI's connection files can be read. Nothing is started."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.dashboard.model import model

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "clickhouse" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboards" / "telecom.json").read_text())
[SOURCE] = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "clickhouse.yaml").read_text())["datasources"]
[PROVIDER] = yaml.safe_load((FOLDER / "provisioning" / "dashboards" / "telecom.yaml").read_text())["providers"]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
SERVICE = SERVICES["grafana"]
MACROS = {"fromTime", "toTime", "timeInterval", "interval_s"}  # those that tests/dashboard/test_grafana.py expands
PLUGIN = "grafana-clickhouse-datasource"


def test_the_data_source_is_clickhouse_as_the_reader() -> None:
    environment = SERVICE["environment"]
    assert SOURCE["type"] == PLUGIN
    assert environment[SOURCE["jsonData"]["username"].removeprefix("$")] == "${LAKEHOUSE_CLICKHOUSE_READER:-reader}"
    assert environment[SOURCE["jsonData"]["host"].removeprefix("$")] in SERVICE["depends_on"]
    # the image's start makes the variable out of the file
    password = environment[SOURCE["secureJsonData"]["password"].removeprefix("$") + "__FILE"]
    [secret] = SERVICE["secrets"]
    assert password == f"/run/secrets/{secret}"
    assert secret == "LAKEHOUSE_CLICKHOUSE_READER_PASSWORD"


def test_the_data_source_speaks_to_the_one_port_that_clickhouse_has() -> None:
    assert SOURCE["jsonData"]["protocol"] == "http"
    assert str(SOURCE["jsonData"]["port"]) == SERVICES["clickhouse"]["environment"]["CLICKHOUSE_HTTP_PORT"]


def test_compose_mounts_what_the_files_name() -> None:
    mounted = dict(volume.split(":")[:2] for volume in SERVICE["volumes"])
    assert PROVIDER["options"]["path"] == mounted["./clickhouse/grafana/dashboards"]
    assert SERVICE["environment"]["GF_PATHS_PROVISIONING"] == mounted["./clickhouse/grafana/provisioning"]
    assert SERVICE["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == (
        f"{PROVIDER['options']['path']}/telecom.json"
    )


def test_every_panel_asks_the_data_source_by_the_plugin_that_compose_installs() -> None:
    name, version = SERVICE["environment"]["GF_PLUGINS_PREINSTALL_SYNC"].split("@")
    assert name == PLUGIN
    for panel in DASHBOARD["panels"]:
        [target] = panel["targets"]
        source = {"type": PLUGIN, "uid": SOURCE["uid"]}
        assert (panel["datasource"], target["datasource"], target["pluginVersion"]) == (source, source, version)
        assert (target["editorType"], target["queryType"], target["format"]) in {
            ("sql", "timeseries", 0),
            ("sql", "table", 1),
        }
        assert (panel["type"] == "timeseries") == (target["format"] == 0)


def test_a_panel_reads_gold_alone_and_only_by_macros_that_the_tests_expand() -> None:
    for panel in DASHBOARD["panels"]:
        sql = panel["targets"][0]["rawSql"]
        read = re.findall(r"(?:from|join)\s+([a-z_.]+)", sql)
        assert read
        assert all(table.startswith("gold.") for table in read), panel["title"]
        assert set(re.findall(r"\$__(\w+)", sql)) <= MACROS, panel["title"]


@pytest.mark.parametrize("kpi", ["asr", "drop_rate", "delivery_rate", "cases"])
def test_a_figure_is_made_of_the_measures_of_the_kpi(kpi: str) -> None:
    known = model().kpis[kpi]
    measures = model().cubes[known.cube].measures
    [sql] = [sql for sql in (panel["targets"][0]["rawSql"] for panel in DASHBOARD["panels"]) if f" as {kpi}\n" in sql]
    for name in filter(None, (known.numerator, known.denominator)):
        assert measures[name].sql in sql


def test_panels_do_not_overlap_and_have_their_own_numbers() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not own & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= own
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "bi").glob("*.pbids")), ids=lambda path: path.name)
def test_a_power_bi_file_holds_one_connection_and_no_secret(path: Path) -> None:
    content = json.loads(path.read_text())
    assert content["version"] == "0.1"
    [connection] = content["connections"]
    assert connection["details"]["protocol"] == "odbc"
    assert connection["details"]["address"]["options"]
    assert connection["mode"] == "Import"
    assert not re.search(r"(?i)pwd|password|uid=", path.read_text())


def test_there_is_a_power_bi_file_for_each_engine() -> None:
    assert {path.name for path in (ROOT / "docs" / "bi").iterdir()} == {"clickhouse.pbids", "trino.pbids"}

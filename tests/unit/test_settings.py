"""Settings that can't be what was meant are refused with a sentence."""

import pytest

from lakehouse.errors import UsageError
from lakehouse.settings import settings, unknown_variables


@pytest.mark.parametrize("value", ["foo", "127.0.0.1:8080", "http://", "jdbc:trino://there:8080"])
@pytest.mark.parametrize("name", ["TRINO_URL", "CLICKHOUSE_URL", "CATALOG_URL", "DASHBOARD_URL"])
def test_an_address_without_a_host_or_a_scheme_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"LAKEHOUSE_{name}", value)
    settings.cache_clear()
    try:
        with pytest.raises(UsageError, match=f"LAKEHOUSE_{name}: .*http://"):
            settings()
    finally:
        settings.cache_clear()


def test_a_misspelt_variable_is_told_with_what_may_be_meant() -> None:
    environment = {
        "LAKEHOUSE_KAFKA_BOOTSTRP": "there:9092",
        "LAKEHOUSE_QQQ": "1",
        "LAKEHOUSE_TRINO_URL": "http://there",
        "lakehouse_workers": "2",
        "LAKEHOUSE_WORKER": "a",
        "LAKEHOUSE_PORT_KAFKA_CONTROLLER": "9093",
        "HOME": "/root",
    }
    assert unknown_variables(environment) == {
        "LAKEHOUSE_KAFKA_BOOTSTRP": "LAKEHOUSE_KAFKA_BOOTSTRAP",
        "LAKEHOUSE_QQQ": "",
    }

"""Ports, secrets and pinned downloads of the embedded stack, without starting it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lakehouse.errors import LakehouseError, UsageError
from lakehouse.settings import settings
from lakehouse.stack import artifacts
from lakehouse.stack.artifacts import Pinned, Progress
from lakehouse.stack.ports import INTERNAL, choose, sockets_of
from lakehouse.stack.site import settle_site


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)  # away from a .env
    monkeypatch.setenv("LAKEHOUSE_DATA_DIR", str(tmp_path / "data"))
    settings.cache_clear()
    yield tmp_path / "data"
    settings.cache_clear()


@pytest.mark.usefixtures("folder")
def test_without_free_ports_the_usual_ones_are_used() -> None:
    ports = settle_site(free_ports=False).ports
    assert (ports["kafka"], ports["trino"], ports["clickhouse"]) == (9092, 8443, 8123)
    assert {name: ports[name] for name in INTERNAL} == INTERNAL


def test_free_ports_differ_from_each_other_and_stay_for_the_next_start(folder: Path) -> None:
    first = settle_site(free_ports=True)
    taken = [used for name, port in first.ports.items() for used in sockets_of(name, port)]
    assert len(set(taken)) == len(taken)
    assert first.ports["kafka"] != 9092
    said = (folder / "stack.env").read_text()
    assert settle_site(free_ports=False).ports == first.ports
    assert (folder / "stack.env").read_text() == said


def test_secrets_are_made_once_and_closed_to_others(folder: Path) -> None:
    first = settle_site(free_ports=False).settings
    assert len(first.s3_secret_key.get_secret_value()) >= 32
    assert settle_site(free_ports=True).settings.clickhouse_password == first.clickhouse_password
    assert (folder / "stack.env").stat().st_mode & 0o077 == 0


def test_what_the_user_set_is_obeyed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_REDIS_URL", "redis://127.0.0.1:16379/3")
    monkeypatch.setenv("LAKEHOUSE_TRINO_URL", "http://trino.example:8080")
    settings.cache_clear()
    site = settle_site(free_ports=True)
    assert site.ports["redis"] == 16379
    assert site.settings.redis_url == "redis://127.0.0.1:16379/3"
    assert "TRINO_URL" not in (folder / "stack.env").read_text()


@pytest.mark.usefixtures("folder")
def test_an_address_of_this_machine_without_a_port_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_TRINO_URL", "http://localhost")
    settings.cache_clear()
    with pytest.raises(UsageError, match="LAKEHOUSE_TRINO_URL"):
        settle_site(free_ports=True)


@pytest.mark.usefixtures("folder")
def test_the_usual_ports_are_clear_of_those_that_linux_takes_for_outgoing_connections() -> None:
    ports = settle_site(free_ports=False).ports
    assert max(used for name, port in ports.items() for used in sockets_of(name, port)) < 32_768


def test_a_chosen_port_is_clear_of_those_taken_with_grpc_counted() -> None:
    port = choose("s3", [])
    assert choose("s3", [port, port + 10_000]) not in (port, port + 10_000)


def test_every_artifact_is_pinned_by_checksum_and_size() -> None:
    pinned = artifacts.pinned()
    assert all(len(one.sha256) == 64 and one.size_bytes > 0 for one in pinned)
    assert len({one.coordinate for one in pinned}) == len(pinned)
    assert artifacts.trino_tarball(Path("/cache")).name.startswith("trino-server-")
    assert artifacts.trino_console(Path("/cache")).name.endswith("-executable.jar")
    assert any(jar.name.startswith("kafka_2.13-") for jar in artifacts.kafka_jars(Path("/cache")))


class Local(Pinned):
    """An artifact whose download is a file made here."""

    def download(self, folder: Path, progress: Progress) -> Path:
        file = folder / "download"
        file.write_bytes(b"right")
        progress(5)
        return file


def test_a_download_is_kept_if_its_checksum_is_right_and_thrown_away_if_not(tmp_path: Path) -> None:
    (tmp_path / "sample").write_bytes(b"right")
    right = Local("org.example:right:jar::1", artifacts.sha256_of(tmp_path / "sample"), 5)
    seen: list[int] = []
    artifacts.fetch(tmp_path, [right], seen.append)
    assert right.path(tmp_path).read_bytes() == b"right"
    assert sum(seen) == 5
    assert artifacts.missing(tmp_path, [right]) == []

    wrong = replace(right, coordinate="org.example:wrong:jar::1", sha256="0" * 64)
    with pytest.raises(LakehouseError, match="expected 000"):
        artifacts.fetch(tmp_path, [wrong], seen.append)
    assert not wrong.path(tmp_path).exists()
    assert list(tmp_path.glob("incoming-*")) == []

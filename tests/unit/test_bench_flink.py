"""The rival's parts that need no server: its jars are pinned, its script is whole, its secrets are where nobody looks."""

import re
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from bench import flink, peer
from lakehouse.errors import LakehouseError, Retry
from lakehouse.settings import Settings

_KAFKA_PASSWORD, _S3_SECRET = "kafka's secret", "the S3 secret"


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    """A stack whose secrets can be told from all else."""
    return Settings(  # type: ignore[call-arg]
        cache_dir=tmp_path / "cache",
        kafka_bootstrap="127.0.0.1:1234",
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_password=SecretStr(_KAFKA_PASSWORD),
        s3_access_key="key",
        s3_secret_key=SecretStr(_S3_SECRET),
        topics={"calls": "CALL_'TOPIC'"},
    )


@pytest.fixture
def started(site: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], dict[str, str]]:
    """The command and its variables, without fetching anything."""
    monkeypatch.setattr(flink, "fetch", lambda *_: None)
    return flink.command(site, "bench.some_calls", "some-group", tmp_path / "job")


def test_every_jar_has_a_version_and_a_checksum() -> None:
    jars = flink.pinned()
    assert len(jars) > 50
    for jar in jars:
        group, name, packaging, classifier, version = jar.coordinate.split(":")
        assert group
        assert name
        assert (packaging, classifier) == ("jar", "")
        assert re.fullmatch(r"\d+\.\d[\w.-]*", version)
        assert re.fullmatch(r"[0-9a-f]{64}", jar.sha256)
        assert jar.size_bytes > 0
    names = [jar.coordinate.split(":")[1] for jar in jars]
    assert len(set(names)) == len(names)


def test_flinks_own_jars_are_of_one_version() -> None:
    flinks = [jar.coordinate.split(":") for jar in flink.pinned() if jar.group == "org.apache.flink"]
    own = {version for _, name, _, _, version in flinks if not re.match("flink-(shaded|connector-kafka)", name)}
    assert len(own) == 1
    series = own.pop().rsplit(".", 1)[0]
    iceberg = [jar.coordinate for jar in flink.pinned() if "iceberg-flink-runtime" in jar.coordinate]
    assert [f"iceberg-flink-runtime-{series}:" in one for one in iceberg] == [True]


def test_the_script_is_filled_in(site: Settings) -> None:
    text = flink.script(site, "bench.some_calls", "some-group", 2.5)
    assert "${" not in text
    assert "'2500 ms'" in text
    assert "'topic' = 'CALL_''TOPIC'''" in text
    assert "'properties.bootstrap.servers' = '127.0.0.1:1234'" in text
    assert "'properties.sasl.mechanism' = 'SCRAM-SHA-512'" in text
    assert "INSERT INTO lake.`bench`.`some_calls`" in text
    assert f"REGEXP(`from`.phone_number, '{peer.PHONE}')" in text


def test_a_warm_job_reads_the_topic_once_before_into_a_table_beside(site: Settings) -> None:
    text = flink.script(site, "bench.some_calls", "g", warm=True)
    first, second = text.split("\nINSERT INTO ")[1:]
    assert first.startswith("lake.`bench`.`some_calls_warm`\nSELECT")
    assert "'scan.bounded.mode' = 'latest-offset', 'properties.group.id' = 'g-warm'" in first
    assert second == flink.script(site, "bench.some_calls", "g").split("\nINSERT INTO ")[1]
    assert text.index("LIKE lake.`bench`.`some_calls`;") < text.index("`some_calls_warm`\nSELECT")


def test_the_table_has_the_hand_written_loops_columns(site: Settings) -> None:
    table = flink.script(site, "bench.some_calls", "g").split("CREATE TABLE", 1)[1].split("WITH (", 1)[0]
    columns = re.findall(r"^ {4}(\w+) [A-Z]", table, re.MULTILINE)
    assert columns == peer.checked(peer.read([b'{"sid":"a"}'])).columns


def test_no_secret_is_in_the_arguments_or_in_what_flink_prints(
    started: tuple[list[str], dict[str, str]], tmp_path: Path
) -> None:
    arguments, variables = started
    for secret in (_KAFKA_PASSWORD, _S3_SECRET):
        assert secret not in " ".join(arguments)
        assert secret not in (tmp_path / "job" / "job.sql").read_text()
    assert variables["BENCH_CATALOG_CREDENTIAL"] == f"key:{_S3_SECRET}"
    assert _KAFKA_PASSWORD in (tmp_path / "job" / "login.conf").read_text()


def test_what_it_writes_is_the_owners_alone(started: tuple[list[str], dict[str, str]], tmp_path: Path) -> None:
    files = list((tmp_path / "job").iterdir())
    assert {file.name for file in files} == {"config.yaml", "job.sql", "login.conf"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_jar_that_cannot_be_had_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Retry("a:b:jar::1 could not be downloaded")

    monkeypatch.setattr(flink, "fetch", refuse)
    with pytest.raises(LakehouseError, match=r"Flink cannot take part.*a:b:jar::1"):
        flink.class_path(tmp_path)

"""How servers are reached, and by whom: one place, in the words of each client."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import requests
import trino
from click.testing import CliRunner
from confluent_kafka import KafkaError, KafkaException
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from lakehouse import kafka_access, redis_access, trino_access
from lakehouse.cli.main import cli
from lakehouse.errors import UsageError
from lakehouse.settings import Settings, origins, settings
from lakehouse.stack import clickhouse, kafka_users, redis, seaweed
from lakehouse.stack.catalogs import passwords
from lakehouse.stack.certificates import INTERNAL_NAME, certificates, ensure
from lakehouse.stack.server import Site
from streams.contract import contracts

SCRAM: dict[str, Any] = {
    "kafka_bootstrap": "a:1,b:2", "kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "me",
    "kafka_sasl_password": SecretStr('p"w\\'), "kafka_ssl_ca": Path("/ca.pem"),
}  # fmt: skip


def test_every_client_is_told_the_same_in_its_own_words(tmp_path: Path) -> None:
    (authority := tmp_path / "ca.pem").touch()
    now = Settings(**{**SCRAM, "kafka_ssl_ca": authority})
    told = kafka_access.librdkafka(now)
    assert callable(told.pop("error_cb"))
    assert told == {
        "bootstrap.servers": "a:1,b:2", "security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me", "sasl.password": 'p"w\\', "ssl.ca.location": str(authority), "log_level": 0,
    }  # fmt: skip
    java = kafka_access.java(now)
    assert java["sasl.jaas.config"].endswith('scram.ScramLoginModule required username="me" password="p\\"w\\\\";')
    assert (java["ssl.truststore.type"], java["ssl.truststore.location"]) == ("PEM", str(authority))
    assert kafka_access.properties({"a": "x\\y\nz"}) == "a=x\\\\y\\nz\n"
    plain = Settings(kafka_bootstrap="a:1")
    assert kafka_access.aiokafka(plain) == {"bootstrap_servers": ["a:1"], "security_protocol": "PLAINTEXT"}
    assert kafka_access.java(plain) == {"security.protocol": "PLAINTEXT"}


def test_aiokafka_is_given_certificates_and_passwords(tmp_path: Path) -> None:
    found = ensure(tmp_path)
    more = {"kafka_ssl_ca": found.authority, "kafka_ssl_cert": found.internal, "kafka_ssl_key": found.internal_key}
    told = kafka_access.aiokafka(Settings(**{**SCRAM, **more}))
    assert (told["sasl_plain_username"], told["sasl_mechanism"]) == ("me", "SCRAM-SHA-512")
    assert [one["subject"][0][0][1] for one in told["ssl_context"].get_ca_certs()] == ["Lakehouse stack authority"]
    java = kafka_access.java(Settings(**{**SCRAM, **more}))
    assert java["ssl.keystore.key"].startswith("-----BEGIN PRIVATE KEY-----")


@pytest.mark.parametrize(
    ("url", "password", "wanted"),
    [
        ("redis://h:1/0", "", ("", "")),
        ("redis://h:1/0", "pw", ("lakehouse", "pw")),
        ("redis://:p%40@h:1/0", "other", ("", "p@")),
        ("redis://me:p@h:1/0", "", ("me", "p")),
    ],
)
def test_a_password_of_redis_stands_in_the_url_or_beside_it(url: str, password: str, wanted: tuple[str, str]) -> None:
    assert redis_access.credentials(Settings(redis_url=url, redis_password=SecretStr(password))) == wanted


def test_a_reader_holds_no_secret_of_the_owner_and_keeps_his_name_where_there_is_no_reader() -> None:
    own = Settings(
        redis_url="redis://me:secret-1@h:1/0", redis_reader_password=SecretStr("r"), s3_access_key="k",
        s3_secret_key=SecretStr("secret-2"), s3_reader_access_key="rk", s3_reader_secret_key=SecretStr("rs"),
        clickhouse_password=SecretStr("mine"), kafka_producer_password=SecretStr("secret-3"),
    )  # fmt: skip
    held = own.as_reader()
    assert (held.redis_url, held.redis_username, held.s3_access_key) == ("redis://h:1/0", "reader", "rk")
    assert held.clickhouse_password == own.clickhouse_password  # ClickHouse has no reader here
    shown = [getattr(v, "get_secret_value", lambda v=v: v)() for v in (getattr(held, n) for n in Settings.model_fields)]
    assert not [text for text in map(str, shown) if "secret-" in text]


def test_settings_come_from_files_of_secrets_like_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "LAKEHOUSE_S3_SECRET_KEY").write_text("of a file\n")
    (tmp_path / "lakehouse_trino_password").write_text("of another")
    (tmp_path / "LAKEHOUSE_TOPICS").write_text('{"calls": "C"}')
    (tmp_path / "LAKEHOUSE_TRINO_USER").write_text("of a file")
    monkeypatch.setenv("LAKEHOUSE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("LAKEHOUSE_TRINO_USER", "of the environment")
    now = Settings()
    assert now.s3_secret_key.get_secret_value() == "of a file"
    assert now.trino_password.get_secret_value() == "of another"
    assert (now.topics, now.trino_user) == ({"calls": "C"}, "of the environment")
    assert (origins()["s3_secret_key"], origins()["trino_user"]) == ("secrets", "environment")


def test_settings_are_shown_without_a_password_that_stands_in_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_REDIS_URL", "redis://me:hidden@h:1/0")
    monkeypatch.setenv("LAKEHOUSE_TRINO_PASSWORD", "hidden")
    settings.cache_clear()
    try:
        shown = CliRunner().invoke(cli, ["settings", "--json"]).output
        assert "hidden" not in shown
        assert json.loads(shown)["redis_url"]["value"] == "redis://me:***@h:1/0"
        assert "hidden" in CliRunner().invoke(cli, ["settings", "--json", "--show-secrets"]).output
    finally:
        settings.cache_clear()


def test_the_authority_is_made_once_and_its_certificates_anew_before_they_end(tmp_path: Path) -> None:
    found = ensure(tmp_path)
    before = {file: file.read_bytes() for file in (tmp_path / "tls").iterdir()}
    assert {file.stat().st_mode & 0o077 for file in before} == {0}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    assert ensure(tmp_path) == found == certificates(tmp_path)
    assert {file: file.read_bytes() for file in before} == before
    authority = x509.load_pem_x509_certificate(found.authority.read_bytes())
    for file, name, opens in ((found.server, "lakehouse-server", False), (found.internal, INTERNAL_NAME, True)):
        one = x509.load_pem_x509_certificate(file.read_bytes())
        one.verify_directly_issued_by(authority)
        assert one.subject.rfc4514_string() == f"CN={name}"
        usages = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert (x509.ObjectIdentifier("1.3.6.1.5.5.7.3.2") in usages) is opens  # opens others' doors
    found.internal.unlink()
    ensure(tmp_path)
    assert found.authority.read_bytes() == before[found.authority]
    assert found.internal.exists()
    assert isinstance(authority.public_key(), ec.EllipticCurvePublicKey)


def test_files_of_servers_hold_no_password_as_it_is() -> None:
    now = Settings(
        **{name: SecretStr(f"pw-{name}") for name in Settings.model_fields if name.endswith(("password", "secret_key"))}
    )  # fmt: skip
    for text in (redis.access(now), passwords(now)):
        assert "pw-" not in text
    assert "user default off" in redis.access(now)
    assert kafka_users.users(now).keys() == {"lakehouse", "producer", "reader"}


def test_seaweedfs_wants_a_certificate_at_each_of_its_ports(tmp_path: Path) -> None:
    text = seaweed.security(ensure(tmp_path))
    for part in ("grpc.master", "grpc.volume", "grpc.filer", "grpc.s3", "grpc.admin"):
        assert f"[{part}]\ncert = " in text
    for part in ("https.master", "https.volume", "https.filer", "https.admin"):
        section = text.partition(f"[{part}]")[2].partition("\n[")[0]
        assert "ca = " in section, part
    assert '[cors.allowed_origins]\nvalues = ""' in text
    assert text.count("key = ") > 10


def test_clickhouses_pattern_of_a_name_in_base64_takes_that_name_alone() -> None:
    import base64
    import re

    for name in ("a", "ab", "abc", "lakehouse", "reader", "federation"):
        pattern = re.compile(clickhouse._basic(name) + ".*")
        for password in ("", "x", "ÿ", "long" * 20):
            assert pattern.fullmatch(base64.b64encode(f"{name}:{password}".encode()).decode())
        for other in (f"{name}x", name[:-1], "default", name.upper()):
            assert not pattern.fullmatch(base64.b64encode(f"{other}:pw".encode()).decode()), (name, other)


def test_the_file_of_handlers_is_what_the_code_writes() -> None:
    from lakehouse.paths import data_folder

    text = (data_folder("clickhouse") / "etc" / "config.xml").read_text()
    assert clickhouse.with_handlers(text, ["lakehouse", "reader", "federation"]) == text


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"kafka_sasl_password": SecretStr("")}, "LAKEHOUSE_KAFKA_SASL_PASSWORD"),
        ({"kafka_ssl_ca": Path("/no/such/file")}, "LAKEHOUSE_KAFKA_SSL_CA"),
    ],
)
def test_what_a_client_would_stumble_over_is_said_by_its_name(changed: dict[str, Any], named: str) -> None:
    for client in (kafka_access.librdkafka, kafka_access.aiokafka):
        with pytest.raises(UsageError, match=named):
            client(Settings(**{**SCRAM, "kafka_ssl_ca": None, **changed}))


def test_a_file_or_a_folder_that_is_not_there_is_said_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="LAKEHOUSE_TRINO_CA"):
        trino_access.connect(Settings(trino_ca=Path("/no/such/file")), writes=False, source="a test")
    monkeypatch.setenv("LAKEHOUSE_SECRETS_DIR", "/no/such/folder")
    settings.cache_clear()
    with pytest.raises(UsageError, match="LAKEHOUSE_SECRETS_DIR"):
        settings()


def test_a_dashboard_without_a_token_is_refused_before_it_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_DASHBOARD_URL", "http://127.0.0.1:1")  # where none answers, whatever stack runs here
    settings.cache_clear()
    done = CliRunner().invoke(cli, ["dashboard", "--link"])
    assert isinstance(done.exception, UsageError)
    assert "LAKEHOUSE_DASHBOARD_TOKEN" in str(done.exception)
    assert done.output == ""


class _Refusing:
    """A client of librdkafka's that tells of its errors when it is polled."""

    def __init__(self, told: KafkaError) -> None:
        self._told, self._note = told, kafka_access.librdkafka(Settings(kafka_bootstrap="k:1"))["error_cb"]

    def poll(self, timeout: float) -> None:
        self._note(self._told)


@pytest.mark.parametrize(
    ("code", "said", "told"),
    [
        (KafkaError._AUTHENTICATION, "SASL authentication error: invalid", "user me: LAKEHOUSE_KAFKA_SASL_PASSWORD"),
        (KafkaError._SSL, "ssl handshake failed", "LAKEHOUSE_KAFKA_SECURITY_PROTOCOL says"),
        (KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down", "does not answer at k:1"),
    ],
)  # fmt: skip
def test_a_password_that_kafka_refuses_is_said_not_that_nobody_answers(code: int, said: str, told: str) -> None:
    failed = KafkaException(KafkaError(KafkaError._TRANSPORT, "transport failure"))
    now = Settings(kafka_bootstrap="k:1", kafka_sasl_username="me")
    assert told in str(kafka_access.unreachable(now, _Refusing(KafkaError(code, said)), failed))
    assert f"There is no stack in {now.data_dir}" in str(
        kafka_access.unreachable(now, _Refusing(KafkaError(code, said)), failed)
    )


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (trino.exceptions.HttpError("error 401: b'Access Denied: Invalid credentials'"), "TRINO_READER_PASSWORD is not"),
        (trino.exceptions.TrinoConnectionError("[SSL: CERTIFICATE_VERIFY_FAILED]"), "set LAKEHOUSE_TRINO_CA"),
        (trino.exceptions.TrinoConnectionError("refused"), "does not answer"),
        (requests.ConnectionError("port 4010 refused"), "does not answer"),
        (trino.exceptions.TrinoConnectionError("port 14017 refused"), "does not answer"),
        (trino.exceptions.HttpError("error 503: b'port 14017'"), "does not answer"),
    ],
)  # fmt: skip
def test_what_trino_refuses_is_said_in_a_sentence(error: Exception, told: str) -> None:
    assert isinstance(error, trino_access.ERRORS)
    assert told in str(trino_access.unreachable(Settings(), error, writes=False))


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("WEEKEND", '["Fri"]', "'Fri' is no day"),
        ("TOPICS", '{"callz": "X"}', "'callz', which is no source. Did you mean calls"),
        ("BRONZE_OFF", '["zz"]', "'zz', which is no source"),
    ],
)
def test_a_setting_that_names_what_there_is_not_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"LAKEHOUSE_{variable}", value)
    settings.cache_clear()
    contracts.cache_clear()
    with pytest.raises(UsageError, match=told):
        contracts()
    contracts.cache_clear()


def test_a_folder_whose_name_is_too_long_for_sockets_is_refused_by_its_name(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    site = Site(Settings(data_dir=deep), deep, {"s3": 1, "catalog": 2})
    with pytest.raises(UsageError, match="shorter name"):
        seaweed.SeaweedFS(site).prepare()

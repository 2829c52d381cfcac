"""Nobody who does not belong comes in: knocked at every port that listens, found by looking, and as each kind of reader."""

import json
import socket
import ssl
import urllib.error
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest
import requests
import trino
from playwright.sync_api import Browser

from lakehouse import trino_access
from lakehouse.dashboard import door
from lakehouse.settings import PREFIX, Settings, settings
from lakehouse.stack import landlock
from lakehouse.stack.ports import sockets_of
from lakehouse.stack.site import read_site
from lakehouse.stack.state import StackState

pytestmark = pytest.mark.stack
PATHS = (
    "/", "/?query=select+1", "/status", "/dir/status", "/dir/assign", "/cluster/status", "/stats/counter", "/metrics",
    "/buckets/", "/lakehouse", "/debug/pprof/", "/v1/config", "/v1/namespaces", "/v1/lakehouse/namespaces", "/v1/info",
    "/v1/status", "/v1/query", "/v1/node", "/v1/cluster", "/v1/thread", "/v1/jmx/mbean", "/ui/api/stats", "/ui/", "/play",
    "/dashboard", "/ping", "/healthz", "/replicas_status", "/api/health", "/api/model", "/api/pipeline",
    "/api/panel/overview/calls", "/static/app.js",
)  # fmt: skip
# What is answered to anybody, because it says nothing of anybody; docs/security.md has the same list.
OPEN = {
    ("clickhouse", "/ping"), ("trino", "/v1/info"), ("trino", "/v1/status"), ("s3", "/status"), ("s3", "/healthz"),
    ("trino", "/ui/"), ("trino", "/"), ("trino", "/?query=select+1"),  # each leads to the page to log in
    ("catalog", "/v1/config"), ("dashboard", "/api/health"),
}  # fmt: skip
RAW = (
    b"*1\r\n$4\r\nINFO\r\n", b"KEYS *\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    # Kafka's Metadata, version 0, of all topics
    b"\x00\x00\x00\x0e\x00\x03\x00\x00\x00\x00\x00\x01\xff\xff\x00\x00\x00\x00",
)  # fmt: skip


def process(name: str) -> psutil.Process:
    """A server of the stack."""
    now = StackState.read(settings().data_dir)
    assert now is not None
    return psutil.Process(next(one.process.pid for one in now.servers if one.name == name and one.process))


def listening() -> dict[int, str]:
    """Each TCP port on which a process of the stack listens, with the name that the stack has for it."""
    now = StackState.read(settings().data_dir)
    assert now is not None
    site = read_site()
    named = {used: name for name, port in site.ports.items() for used in sockets_of(name, port)}
    found: dict[int, str] = {}
    for one in now.processes():
        family = [psutil.Process(one.pid), *psutil.Process(one.pid).children(recursive=True)]
        for connection in (c for member in family for c in member.net_connections("inet")):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip in ("127.0.0.1", "::1", "::ffff:127.0.0.1"), connection
                found[connection.laddr.port] = named.get(connection.laddr.port, "?")
    return found


def secrets() -> set[str]:
    """Every secret of the stack's file."""
    values = (getattr(settings(), name) for name in Settings.model_fields)
    return {text for v in values if hasattr(v, "get_secret_value") and (text := v.get_secret_value())}


def http(url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """Status (0: none), body and headers of an answer; certificates are taken as they are."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=5, context=context if url.startswith("https") else None) as answer:
            return answer.status, answer.read(1_000_000), dict(answer.headers)
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read(), dict(refused.headers)
    except (OSError, ValueError, HTTPException):
        return 0, b"", {}


def raw(port: int, said: bytes) -> bytes:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(said)
        return connection.recv(100_000)
    return b""


def test_whoever_knocks_without_a_password_gets_refusals_at_every_port(stack: Any) -> None:
    ports = listening()
    assert set(ports.values()) >= {"kafka", "s3", "catalog", "redis", "trino", "clickhouse", "dashboard", "weed_filer"}
    assert "?" not in ports.values(), ports
    let_in, told = [], []
    for port, name in ports.items():
        for scheme in ("http", "https"):
            silent = 0
            for path in PATHS:
                status, body, _ = http(f"{scheme}://127.0.0.1:{port}{path}", Origin="http://evil.example")
                silent = silent + 1 if not status else 0
                if silent > 2:
                    break  # it does not speak that
                if status and status < 400 and (name, path) not in OPEN:
                    let_in.append((name, scheme, path, status, body[:80]))
                told.append(body)
        for said in RAW:
            answer = raw(port, said)
            told.append(answer)
            if name == "redis":
                assert answer == b"" or answer.startswith(b"-NOAUTH"), answer
            if name.startswith("kafka"):
                assert answer == b"", answer
    assert let_in == []
    for secret in secrets():
        assert not any(secret.encode() in answer for answer in told)


def test_a_page_of_another_origin_reads_nothing_of_any_port(stack: Any, browser: Browser) -> None:
    page = browser.new_page()
    with Served(b"<title>evil</title>") as evil:
        page.goto(evil)
        for port in listening():
            for url in (
                f"http://127.0.0.1:{port}/",
                f"http://127.0.0.1:{port}/v1/config",
                f"http://localhost:{port}/status",
            ):
                script = "u => fetch(u, {credentials: 'include'}).then(r => r.text()).catch(e => null)"
                assert page.evaluate(script, url) is None, url
    page.close()


class Served:
    """A web page on a port of its own."""

    def __init__(self, body: bytes) -> None:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Page)

    def __enter__(self) -> str:
        Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}/"

    def __exit__(self, *args: Any) -> None:
        self.server.shutdown()
        self.server.server_close()


# -- ClickHouse ------------------------------------------------------------------------------------------------------


def ask(sql: str, user: str, password: str) -> str:
    answer = requests.post(settings().clickhouse_url, sql.encode(), auth=(user, password), timeout=20)
    return answer.text.strip()


USERS = ("clickhouse_user", "clickhouse_reader", "clickhouse_federation")


def password_of(user: str) -> str:
    field = user.replace("_user", "_password") if user.endswith("_user") else f"{user}_password"
    return str(getattr(settings(), field).get_secret_value())


@pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
@pytest.mark.parametrize("user", USERS)
def test_clickhouse_gives_nobody_a_file_that_is_a_secret(stack: dict[str, str], user: str) -> None:
    folder = Path(stack["LAKEHOUSE_DATA_DIR"])
    wanted = [
        "/etc/passwd", "/proc/self/environ", "/proc/self/cmdline", f"/proc/{process('trino').pid}/environ",
        folder / "stack.env", folder / "tls" / "ca.key", folder / "clickhouse" / "data" / "metadata" / "lk.sql",
        folder / "kafka" / "server.properties", folder / "redis" / "users.acl", Path(__file__),
    ]  # fmt: skip
    for file in wanted:
        assert Path(file).exists(), file
        assert "CANNOT_OPEN_FILE" in ask(f"select file('{file}')", getattr(settings(), user), password_of(user)), file


def test_clickhouse_answers_nobody_who_does_not_say_who_he_is(stack: Any) -> None:
    url = settings().clickhouse_url
    for headers in (
        {},
        {"X-ClickHouse-User": "default"},
        {"Authorization": "Basic ZGVmYXVsdDo="},
        {"X-ClickHouse-User": "reader2"},
    ):
        for path in ("/?query=select+1", "/?query=select+1&user=lakehouse", "/?query=select+1&add_http_cors_header=1"):
            status, body, answered = http(url + path, Origin="http://evil.example", **headers)
            assert (status, b"no handle" in body) == (404, True), (headers, path, body[:80])
            assert "Access-Control-Allow-Origin" not in answered
    owner = {"X-ClickHouse-User": settings().clickhouse_user, "X-ClickHouse-Key": password_of("clickhouse_user")}
    assert http(f"{url}/?query=select+1&user=default", **owner)[0] >= 400


def test_the_servers_processes_hold_no_secret_but_their_own(stack: Any) -> None:
    for name in ("clickhouse", "kafka", "redis"):
        environment = process(name).environ()
        assert not [variable for variable in environment if variable.startswith(PREFIX)]
        assert not secrets() & set(environment.values())


# -- Trino -----------------------------------------------------------------------------------------------------------


def as_reader(sql: str, session_user: str | None = None) -> list[list[Any]]:
    with trino_access.connect(settings(), writes=False, source="a test") as connection:
        if session_user is not None:
            connection._client_session._user = session_user
        cursor = connection.cursor()
        cursor.execute(sql)
        return [list(row) for row in cursor.fetchall()]


@pytest.mark.parametrize(
    "sql",
    [
        "select * from table(clickhouse.system.query(query => 'select file(''/etc/passwd'')'))",
        "select * from table(iceberg.system.table_changes('gold', 'builds', 1, 2))",
        "call system.runtime.kill_query(query_id => 'x', message => 'y')",
        "create table iceberg.gold.mine (a bigint)",
        "insert into kafka.default.calls (sid) values ('x')",
        "create schema iceberg.mine",
    ],
)
def test_trinos_reader_reads_and_does_nothing_else(stack: Any, sql: str) -> None:
    with pytest.raises(trino.exceptions.TrinoUserError, match=r"Access Denied|not supported|does not exist"):
        as_reader(sql)


def test_nobody_is_somebody_else_in_trino(stack: Any) -> None:
    assert as_reader("select current_user") == [[settings().trino_reader]]
    with pytest.raises(trino.exceptions.TrinoUserError, match="cannot impersonate"):
        as_reader("select current_user", settings().trino_user)
    url = f"{settings().trino_url}/v1/statement"
    for headers in ({"X-Trino-User": settings().trino_user}, {"X-Trino-User": "x", "Host": "evil.example"}):
        answer = requests.post(url, "select 1", headers=headers, verify=False, timeout=10)
        assert answer.status_code in (400, 401), answer.text


def test_the_queries_of_others_are_nobodys_business(stack: Any) -> None:
    with trino_access.connect(settings(), writes=True, source="a test") as owner:
        owner.cursor().execute("select 'of the owner'").fetchall()
    assert (
        as_reader("select query from system.runtime.queries where query like '%of the owner%' and user <> current_user")
        == []
    )


def test_trino_is_a_reader_of_clickhouse(stack: Any) -> None:
    with trino_access.connect(settings(), writes=True, source="a test") as owner:
        query = "select * from table(clickhouse.system.query(query => 'select currentUser() as who'))"
        assert owner.cursor().execute(query).fetchall() == [[settings().clickhouse_federation]]


# -- the dashboard --------------------------------------------------------------------------------------------------


def test_the_dashboards_process_holds_readers_secrets_alone(stack: Any) -> None:
    held = settings().as_reader()
    owners = {
        getattr(settings(), name).get_secret_value()
        for name in ("kafka_sasl_password", "kafka_producer_password", "redis_password", "s3_secret_key", "trino_password",
                     "clickhouse_password", "clickhouse_federation_password")
    }  # fmt: skip
    assert len(owners) == 7
    kept = {getattr(held, name) for name in Settings.model_fields if name.endswith(("password", "secret_key"))}
    assert owners & {one.get_secret_value() for one in kept} == set()


@pytest.fixture
def site(stack: dict[str, str]) -> str:
    return settings().dashboard_url


def test_the_dashboard_shows_nothing_before_it_is_shown_the_token(site: str) -> None:
    token = settings().dashboard_token.get_secret_value()
    for path in PATHS:
        for headers in (
            {},
            {"Authorization": "Bearer x"},
            {"Authorization": "Bearer "},
            {"Cookie": "lakehouse-8050=x"},
        ):
            assert http(site + path, **headers)[0] == (200 if path == "/api/health" else 401), path
    assert http(f"{site}/?token=x")[0] == 401
    assert http(f"{site}/api/model", Authorization=f"Bearer {token}")[0] == 200
    assert http(f"{site}/api/model", Authorization=f"Bearer {token}", Host="evil.example")[0] == 400
    browser = requests.Session()
    opened = browser.get(door.link(settings()), timeout=10)
    assert (opened.status_code, "token" in opened.url) == (200, False)
    cookie = opened.history[0].headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert token not in cookie
    assert browser.get(f"{site}/api/model", timeout=10).status_code == 200


def test_what_was_looked_at_is_written_down(site: str, stack: dict[str, str]) -> None:
    token = settings().dashboard_token.get_secret_value()
    http(f"{site}/api/subscribers?q=a-name-{token[:6]}", Authorization=f"Bearer {token}")
    http(f"{site}/api/subscribers?q=nobody-{token[:6]}")
    log = Path(stack["LAKEHOUSE_DATA_DIR"]) / "logs" / "access.ndjson"
    assert log.stat().st_mode & 0o077 == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    seen = {line["query"].split("=")[1].split("-")[0]: line for line in lines if token[:6] in line["query"]}
    assert (seen["a"]["who"], seen["a"]["from"], seen["a"]["path"], seen["a"]["status"]) == (
        "token", "127.0.0.1", "/api/subscribers", 200,
    )  # fmt: skip
    assert (seen["nobody"]["who"], seen["nobody"]["status"]) == (None, 401)
    assert token not in log.read_text()

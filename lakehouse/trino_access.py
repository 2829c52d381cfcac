"""How clients reach Trino: as the owner of the tables or as a reader, each with a password, over https."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import requests
import trino

from lakehouse.errors import UsageError
from lakehouse.settings import Settings

_TIMEOUT_S = 60
_ATTEMPTS = 3


def connect(
    settings: Settings,
    *,
    writes: bool,
    source: str,
    catalog: str = "iceberg",
    schema: str = "gold",
    session: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """A connection (DB-API); nothing is sent before the first statement.

    Args:
        writes: whether it is the owner's, who may change data; else the reader's.
        source: what Trino is told that asks.
        session: session properties.
    """
    url = urlsplit(settings.trino_url)
    user, password = credentials(settings, writes=writes)
    return trino.dbapi.connect(  # type: ignore[no-untyped-call]
        host=url.hostname or "127.0.0.1",
        port=url.port or (443 if url.scheme == "https" else 8080),
        user=user,
        # over http nobody is sent a password; a Trino that wants one refuses
        auth=trino.auth.BasicAuthentication(user, password) if password and url.scheme == "https" else None,
        http_session=_session(settings),
        source=source,
        catalog=catalog,
        schema=schema,
        http_scheme=url.scheme,
        session_properties=dict(session),
        max_attempts=_ATTEMPTS,
        request_timeout=_TIMEOUT_S,
    )


def credentials(settings: Settings, *, writes: bool) -> tuple[str, str]:
    """User and password; the password is empty where Trino asks for none."""
    user = settings.trino_user if writes else settings.trino_reader
    secret = settings.trino_password if writes else settings.trino_reader_password
    return user, secret.get_secret_value()


class _Trusting(requests.Session):
    """Trusts one authority, also where the environment names another file (REQUESTS_CA_BUNDLE), which `requests` prefers."""

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> dict[str, Any]:
        return super().merge_environment_settings(url, proxies, stream, verify or self.verify, cert)


def _session(settings: Settings) -> requests.Session:
    if settings.trino_ca is None:
        return requests.Session()
    if not settings.trino_ca.is_file():
        raise UsageError(f"LAKEHOUSE_TRINO_CA is {settings.trino_ca}, where there is no file")
    session = _Trusting()
    session.verify = str(settings.trino_ca)
    return session

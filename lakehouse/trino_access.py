"""How clients reach Trino: as the owner of the tables or as a reader, each with a password, over https."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import requests
import trino

from lakehouse.errors import LakehouseError, Retry, UsageError
from lakehouse.settings import Settings

ERRORS = (trino.exceptions.Error, trino.exceptions.HttpError, requests.RequestException)
"""What a statement can end in beside Trino's own refusals (`TrinoQueryError`): see `unreachable`."""
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


def unreachable(settings: Settings, error: Exception, *, writes: bool) -> LakehouseError:
    """The error of `ERRORS` in a sentence that says what to do; a Retry, unless a password or a file is wrong."""
    where = f"Trino at {settings.trino_url}"
    if isinstance(error, trino.exceptions.HttpError) and str(error).startswith("error 401"):
        user, _ = credentials(settings, writes=writes)
        name = "LAKEHOUSE_TRINO_PASSWORD" if writes else "LAKEHOUSE_TRINO_READER_PASSWORD"
        return UsageError(f"{where} refuses the user {user}: {name} is not its password.{settings.stack_hint}")
    if "CERTIFICATE_VERIFY_FAILED" in str(error) or "CERTIFICATE_VERIFY_FAILED" in str(error.__cause__):
        trusted = settings.trino_ca or "this machine's authorities"
        return UsageError(
            f"{where} shows a certificate that {trusted} did not sign: set LAKEHOUSE_TRINO_CA.{settings.stack_hint}"
        )
    return Retry(f"{where} does not answer ({type(error).__name__}); is `lakehouse up` running?{settings.stack_hint}")


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

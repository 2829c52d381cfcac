"""How clients reach Redis: address, user and password of the settings; the last two may stand in the URL, too."""

from typing import Any
from urllib.parse import unquote, urlsplit

import redis

from lakehouse.settings import Settings


def credentials(settings: Settings) -> tuple[str, str]:
    """User and password, each empty where there is none."""
    named = urlsplit(settings.redis_url)
    if named.password:
        return unquote(named.username or ""), unquote(named.password)
    password = settings.redis_password.get_secret_value()
    return (settings.redis_username if password else ""), password


def client(settings: Settings, **options: Any) -> "redis.Redis":
    """A client of the Redis of the settings; nothing is sent yet.

    Args:
        options: as `redis.Redis` takes them, such as time-outs.
    """
    user, password = credentials(settings)
    return redis.Redis.from_url(
        settings.redis_url, **{"username": user or None, "password": password or None, **options}
    )

"""The names of what Redis holds of a reference source; Trino's catalog `redis` reads the same.

A key of its own for each record, and a sorted set of those keys: Trino's Redis connector makes a row of a Redis key and finds
the keys of a table in a sorted set, but cannot look into one large hash.
"""

_PREFIX = "lakehouse:references"


def version(source: str) -> str:
    """Holds the number of the last change."""
    return f"{_PREFIX}:{source}:version"


def form(source: str) -> str:
    """Holds the names of the attributes that the versions of the records have."""
    return f"{_PREFIX}:{source}:form"


def changes(source: str) -> str:
    """A sorted set of the Redis keys of all records, each scored with the number of its last change."""
    return f"{_PREFIX}:{source}:changes"


def record(source: str, key: str) -> str:
    """Holds what is known of a key, as a JSON object of the contract's columns and its versions (`reference_records`)."""
    return f"{_PREFIX}:{source}:record:{key}"

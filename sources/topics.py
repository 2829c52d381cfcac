"""Which sources there are, and their topics."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from lakehouse.errors import UsageError, did_you_mean
from lakehouse.paths import data_files
from lakehouse.settings import settings
from streams.topics import Topics


@dataclass(frozen=True)
class Source:
    """A source as its contract describes it.

    Attributes:
        keys: members of a message that its Kafka key is taken from, the first one present.
    """

    name: str
    is_reference: bool
    keys: tuple[str, ...]


@cache
def known_sources() -> dict[str, Source]:
    """All sources that have a contract, by name."""
    # read without streams.contract: publishing needs none of the line's code
    contracts = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in data_files("streams/contracts", "*.yaml")]
    return {
        contract["source"]: _source(contract)
        for contract in contracts
        # the number plan lies in the same folder
        if isinstance(contract, dict) and "source" in contract
    }


def _source(contract: dict[str, Any]) -> Source:
    is_reference = contract.get("kind") == "reference"
    if not is_reference:
        return Source(contract["source"], False, ("customer",))
    keys = [field for field in contract["fields"] if field.get("key")]
    names = [name for field in keys for name in (field["name"], field.get("alias")) if name]
    return Source(contract["source"], True, tuple(names))


def find_source(name: str, reference: bool = False) -> Source:
    """The source of that name.

    Args:
        reference: only reference data will do.

    Raises:
        UsageError: there is none; the message lists those that exist.
    """
    choices = {key: source for key, source in known_sources().items() if source.is_reference or not reference}
    if name in choices:
        return choices[name]
    hint = did_you_mean(name, choices)
    kind = "reference data" if reference else "source"
    raise UsageError(f"no {kind} is called {name!r}.{hint} There are: {', '.join(choices) or 'none'}.")


def ensure_topic(name: str) -> None:
    """Create a topic unless it is there.

    Raises:
        Retry: Kafka does not answer.
        LakehouseError: Kafka refuses to create it.
    """
    Topics(settings()).ensure([name])

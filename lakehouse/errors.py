"""Errors named by what the caller does next."""

from collections.abc import Iterable
from difflib import get_close_matches


class LakehouseError(Exception):
    """Something a person should read: what happened, where, and what to do."""


class UsageError(LakehouseError):
    """The user asked for something that cannot be done as asked. Exit code 2."""


class Retry(LakehouseError):
    """A server did not answer or refused for now. Nothing was changed; the same call may succeed later."""


class Refused(LakehouseError):
    """A server refused a statement for what stands in it or in the rows that it reads; the same call is refused again."""


class Fenced(LakehouseError):
    """Another worker owns these partitions now. Nothing of this batch was written; drop it."""


class CommitUnknown(LakehouseError):
    """A commit was sent and neither its success nor its failure could be established."""


class Stop(LakehouseError):
    """The process must end: going on could lose or double events. Restarting is safe."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names as a sentence, with a space before it; nothing if none is near."""
    near = get_close_matches(name, list(known), 1)
    return f" Did you mean {near[0]}?" if near else ""

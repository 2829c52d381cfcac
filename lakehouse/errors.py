"""Errors named by what the caller does next."""


class LakehouseError(Exception):
    """Something a person should read: what happened, where, and what to do."""


class UsageError(LakehouseError):
    """The user asked for something that cannot be done as asked. Exit code 2."""


class Retry(LakehouseError):
    """A server did not answer or refused for now. Nothing was changed; the same call may succeed later."""


class Fenced(LakehouseError):
    """Another worker owns these partitions now. Nothing of this batch was written; drop it."""


class CommitUnknown(LakehouseError):
    """A commit was sent and neither its success nor its failure could be established."""


class Stop(LakehouseError):
    """The process must end: going on could lose or double events. Restarting is safe."""

"""Options and exit codes that commands share."""

from collections.abc import Sequence

import click

from lakehouse.errors import UsageError, did_you_mean

JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for scripts.")
RATE = click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="At most so many messages a second.")
# the conventions of shells for a program that Ctrl-C, or SIGPIPE, ended
INTERRUPTED, PIPE_CLOSED = 130, 141


def check_sources(names: Sequence[str]) -> None:
    """Refuse names of sources that no contract has.

    Raises:
        UsageError: there is no such source; it lists those that are there.
    """
    from streams.contract import contracts

    if unknown := [name for name in names if name not in contracts()]:
        hint = did_you_mean(unknown[0], contracts())
        raise UsageError(f"there is no source {unknown[0]!r}.{hint} There are {', '.join(contracts())}.")

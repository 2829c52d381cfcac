"""Options and exit codes that commands share."""

import click

JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for scripts.")
RATE = click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="At most so many messages a second.")
# the convention of shells for a program that Ctrl-C ended
INTERRUPTED = 130

"""The `lakehouse` command: loads a command's module only when that command runs, so that `--help` stays quick."""

import importlib
import os
import sys
from typing import Any

import click

from lakehouse.cli.options import INTERRUPTED, PIPE_CLOSED
from lakehouse.cli.terminal import visible
from lakehouse.errors import LakehouseError, UsageError, did_you_mean

# command -> (module below lakehouse.cli, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("stack", "Start the servers, the workers, the orchestrator and the dashboard."),
    "down": ("stack", "End everything that `up` started; the data stays."),
    "status": ("stack", "Show what runs, how fresh each layer is, and what waits."),
    "reference": ("publish", "Publish reference records (users, devices, cell_sites, agents) from a file."),
    "publish": ("publish", "Publish events from files, S3 or standard input."),
    "generate": ("data", "Publish generated events and reference records."),
    "sql": ("sql", "Run queries on Trino or ClickHouse, or open a console."),
    "dashboard": ("dashboard", "Serve the dashboard, or say where it is."),
    "build": ("pipeline", "Build gold from what silver holds, then refresh the ClickHouse copies."),
    "check": ("pipeline", "Run the full checks of gold."),
    "schemas": ("schemas", "Show the tables with their columns, keys and comments."),
    "audit": ("pipeline", "Account for every event at every layer."),
    "verify": ("verify", "Prove that each Kafka offset is in each table once."),
    "topics": ("topics", "Show topics, former incarnations of them, and losses; take notice of losses."),
    "settings": ("settings", "Show every setting, its value and where it comes from."),
    "demo": ("demo", "Send generated events through the whole line and show what arrives."),
    "fetch": ("stack", "Download the servers (done by `make setup`)."),
}


class LazyGroup(click.Group):
    """A command group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All command names, in reading order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"lakehouse.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; of one that there is not, tell the name that is nearest."""
        if args[0] not in COMMANDS and (hint := did_you_mean(args[0], COMMANDS)):
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="telecom-lakehouse")
def cli() -> None:
    """Telecom events from Kafka to Iceberg to ClickHouse, exactly once and accounted for at every layer.

    Start with `lakehouse up --detach`, then `lakehouse generate --events 10000` and `lakehouse audit --wait 60`.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; mistakes end in one sentence and exit code 2, failures in one sentence and 1."""
    try:
        _warn_of_misspelt_settings()
        return cli.main(args=arguments, prog_name="lakehouse", standalone_mode=False)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            # whoever read the output has gone (`| head`): not to be taken for what a command's own code 1 means
            sys.exit(PIPE_CLOSED)
        raise
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except UsageError as error:
        click.echo(f"error: {visible(str(error))}", err=True)
        sys.exit(2)
    except LakehouseError as error:
        click.echo(f"error: {visible(str(error))}", err=True)
        sys.exit(1)


def _warn_of_misspelt_settings() -> None:
    """A setting that is not read looks like one that does nothing."""
    if any(name.startswith("LAKEHOUSE_") for name in os.environ):
        from lakehouse.settings import unknown_variables

        for name, meant in unknown_variables(os.environ).items():
            click.echo(f"warning: {name} is no setting" + (f"; is {meant} meant?" if meant else ""), err=True)


if __name__ == "__main__":
    sys.exit(main())

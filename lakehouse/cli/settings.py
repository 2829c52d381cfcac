"""`lakehouse settings`: each value and where it comes from."""

import json
import re

import click
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from lakehouse.settings import Settings, origins, settings

# of a URL: `redis://user:password@host`
_PASSWORD = re.compile(r"(//[^/@]*:)[^/@]*@")


@click.command("settings")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: name to value and origin.")
@click.option("--show-secrets", is_flag=True, help="Print passwords and keys too.")
def settings_command(as_json: bool, show_secrets: bool) -> None:
    """Show every setting, its value and where it comes from.

    A setting is read from the environment (LAKEHOUSE_ and its name in upper case), then from a file of that name in the folder
    LAKEHOUSE_SECRETS_DIR, then from a `.env` file, then from the running stack's own file (ports and generated secrets); else
    it has its default.
    """
    now, where = settings(), origins()
    shown = {name: _text(getattr(now, name), show_secrets) for name in Settings.model_fields}
    if as_json:
        click.echo(json.dumps({name: {"value": value, "origin": where[name]} for name, value in shown.items()}))
        return
    table = Table()
    for heading in ("variable", "value", "from", "meaning"):
        table.add_column(heading, overflow="fold")
    for name, value in shown.items():
        table.add_row(f"LAKEHOUSE_{name.upper()}", value, where[name], Settings.model_fields[name].description or "")
    Console().print(table)


def _text(value: object, show_secrets: bool) -> str:
    if isinstance(value, SecretStr):
        secret = value.get_secret_value()
        return secret if show_secrets else ("set" if secret else "")
    if isinstance(value, str) and not show_secrets:
        value = _PASSWORD.sub(r"\1***@", value)
    return json.dumps(value, default=str) if isinstance(value, dict | list | tuple) else str(value)

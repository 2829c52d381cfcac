"""`lakehouse audit | head` must not end with the code that says that events were lost."""

import subprocess
import sys

import pytest

_RICH = "from rich.console import Console; say = Console().print"
_CLICK = "import click; say = click.echo"
_SCRIPT = """
{imports}
import click
from lakehouse.cli import main
@click.command()
def endless():
    while True:
        say("x" * 80)
main.cli.main = lambda args, **more: endless.main(args=[], standalone_mode=False)
main.main([])
"""


@pytest.mark.parametrize("imports", [_RICH, _CLICK], ids=["rich", "click"])
def test_a_reader_that_went_away_has_a_code_of_its_own(imports: str) -> None:
    command = [sys.executable, "-c", _SCRIPT.format(imports=imports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 141

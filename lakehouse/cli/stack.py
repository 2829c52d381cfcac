"""`lakehouse fetch`, `up`, `down` and `status`."""

import json
import os

import click
from click.core import ParameterSource
from rich.console import Console
from rich.markup import escape

from lakehouse.cli.stack_display import Display, fetch_with_progress, print_layers, print_servers, server_rows
from lakehouse.settings import settings


@click.command()
def fetch_command() -> None:
    """Download the servers that are Maven artifacts: Kafka's jars and Trino.

    900 MB arrive in LAKEHOUSE_CACHE_DIR (default ~/.cache/lakehouse), side by side, each compared with a pinned
    SHA-256; all stacks of this user share them. An interrupted fetch goes on where it stopped, a second one takes no
    time. Redis, SeaweedFS, ClickHouse and Java came with pip. `lakehouse up` fetches by itself what is missing. Last the
    workers' kernel is compiled for this machine, into the same folder.
    """
    from streams.decode import ensure_compiled

    console = Console(stderr=True)
    fetch_with_progress(console)
    with console.status("compiling the workers' kernel (half a minute, once)"):
        ensure_compiled()
    click.echo(f"all servers are in {settings().cache_dir}")


@click.command()
@click.option("--detach", "-d", is_flag=True, help="Return when everything is up, and leave it running.")
@click.option("--workers", type=click.IntRange(1, 64), help="Number of Faust workers [default: LAKEHOUSE_WORKERS].")
@click.option(
    "--free-ports",
    is_flag=True,
    envvar="LAKEHOUSE_FREE_PORTS",
    help="Listen on ports that nobody uses, and remember them in stack.env.",
)
@click.option("--servers-only", is_flag=True, help="Start neither workers, orchestrator nor dashboard.")
def up_command(detach: bool, workers: int | None, free_ports: bool, servers_only: bool) -> None:
    """Start Kafka, S3 with the Iceberg catalog, Redis, Trino, ClickHouse, the workers, the orchestrator and the dashboard.

    In the foreground it shows what runs until Ctrl-C, which ends all. With --detach it returns when all is up.
    The first start makes passwords and writes them, with all addresses, to stack.env in the data folder, where every
    command finds them. A restart keeps data, passwords and ports. A server that dies is started again.

    A slow server is waited for as long as it gets on, and is told of. One whose log and CPU time stood still for
    LAKEHOUSE_START_PATIENCE_S (300) seconds is started again, while the others stay up. One that fails twice in a row
    during the first start ends it, with exit code 1.

    \b
    lakehouse up                      watch it, end it with Ctrl-C
    lakehouse up --detach             leave it running; `lakehouse down` ends it
    lakehouse up -d --free-ports      beside other programs that use the usual ports

    A server whose setting names another machine (say LAKEHOUSE_TRINO_URL) is used, not started.
    LAKEHOUSE_DATA_DIR (default .lakehouse) is the folder of data, logs and stack.env: one stack a folder.
    """
    from lakehouse.stack import landlock, launch
    from streams.contract import contracts

    if workers is not None:
        os.environ["LAKEHOUSE_WORKERS"] = str(workers)
        settings.cache_clear()
    console = Console(stderr=True)
    try:
        launch.refuse_second()
        if not servers_only:
            contracts()  # one that can't be read is told here, not by a worker that ends
        fetch_with_progress(console)
        site, servers = launch.prepare(free_ports, servers_only)
    except launch.AlreadyUp as already:
        given = [name.replace("_", "-") for name in ("workers", "servers_only") if _is_said(name)]
        hint = f". --{given[0]} counts when it starts: `lakehouse down` first" if given else ""
        click.echo(f"{already}{hint}")
        return
    with Display(console, stay=not detach) as display:
        if detach:
            launch.run_detached(site, servers_only, display.show)
        else:
            launch.run(site, servers, display.show)
    if not detach:
        click.echo("the stack has ended")
        return
    where = "" if servers_only else f"; the dashboard is at {settings().dashboard_url} (`lakehouse dashboard --open`)"
    click.echo(f"the stack is up; data and logs are in {site.folder}{where}")
    if any(server.name == "clickhouse" and not server.external for server in servers) and not landlock.abi():
        click.echo(f"warning: {landlock.UNCONFINED}", err=True)


def _is_said(option: str) -> bool:
    """Whether an option stands on this command's line."""
    return click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE


@click.command()
def down_command() -> None:
    """End the servers, the workers and the orchestrator. Data, passwords and ports stay for the next `up`.

    Workers end first and commit what they hold, Kafka ends last. It returns when no process is left.
    """
    from lakehouse.stack import launch

    folder = settings().data_dir.absolute()
    click.echo(f"the stack in {folder} has ended" if launch.end_stack() else f"no stack runs in {folder}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for scripts.")
def status_command(as_json: bool) -> None:
    """Show each server with its state, process, memory and ports, and how fresh each layer of data is.

    Exit code 0 if everything that belongs to the stack is up, 1 if something is not or no stack runs.
    """
    from lakehouse.stack.status import stack_status

    status = stack_status()
    if as_json:
        click.echo(json.dumps(status, indent=2, default=str))
    else:
        console = Console()
        print_servers(console, status, server_rows(status))
        print_layers(console, status["layers"])
        for problem in status["problems"]:
            console.print(f"[red]not right:[/red] {escape(problem)}", soft_wrap=True, highlight=False)
    if status["phase"] != "up":
        raise SystemExit(1)

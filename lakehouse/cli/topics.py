"""`lakehouse topics`."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console

from lakehouse.cli.options import check_sources
from lakehouse.errors import UsageError
from lakehouse.settings import settings

if TYPE_CHECKING:
    from lakehouse.audit.topics import TopicState


@click.command("topics")
@click.option("--acknowledge", multiple=True, metavar="SOURCE", help="Take notice of this source's losses. Repeatable.")
@click.option("--because", metavar="TEXT", help="Why they are lost; kept with the table.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def topics_command(acknowledge: tuple[str, ...], because: str | None, as_json: bool) -> None:
    """Show each source's topic: what Kafka has, what silver has read, former incarnations, losses.

    A topic that is deleted and made again is another topic: it has another id, and its offsets begin at 0. Workers notice
    by the id, before their next commit, and read the new one from its beginning; rows of the former one stay, and both are
    accounted for. Nothing is to be done. But what was on the deleted topic and not yet read is gone, and nobody can count
    it: let `lakehouse audit` be complete before you delete a topic.

    Offsets that retention removed before they were read are lost. `audit` names them, and exits with 1 until somebody takes
    notice:

    \b
    lakehouse topics
    lakehouse topics --acknowledge sms --because "workers were down over the weekend, retention was a day"
    """
    from catalog import client
    from lakehouse.audit.topics import acknowledge_losses, topic_states

    check_sources(acknowledge)
    if acknowledge and not because:
        raise UsageError("say why the events are lost: --because TEXT. It is kept with the table.")
    console = Console(stderr=as_json)
    catalog = client.connect(settings())
    if acknowledge:
        count = acknowledge_losses(settings(), catalog, acknowledge, because or "")
        console.print(f"took notice of {count:,} lost offsets" if count else "nothing is lost that was not known")
    states = topic_states(settings(), catalog)
    if as_json:
        click.echo(json.dumps({"topics": [asdict(state) for state in states]}))
    else:
        _show(console, states)


def _show(console: Console, states: "list[TopicState]") -> None:
    from lakehouse.cli.account_display import plain_table

    table = plain_table()
    for heading in ("source", "topic", "id", "partitions", "in Kafka", "read", "waiting"):
        left, is_id = heading in ("source", "topic", "id"), heading == "id"
        # on a narrow screen the id is folded, and no number cut
        table.add_column(heading, justify="left" if left else "right", no_wrap=not is_id, overflow="fold")
    for one in states:
        counts = (f"{n:,}" for n in (one.partitions, one.offered, one.read, one.waiting))
        table.add_row(one.source, one.topic, one.topic_id or "there is none", *counts)
    console.print(table)
    for one in states:
        for former in one.former:
            said = f"{one.source}: made again; of its former self {former.topic_id} {former.read:,} offsets were read"
            console.print(said, highlight=False, soft_wrap=True)
        for loss in one.losses:
            known = "nobody took notice" if loss in one.unacknowledged else "acknowledged"
            console.print(f"lost to retention: {loss} ({known})", markup=False, highlight=False, soft_wrap=True)
        for loss in one.bronze_alone:
            said = f"gone before bronze was written: {loss} (nobody took notice)"
            console.print(said, markup=False, highlight=False, soft_wrap=True)

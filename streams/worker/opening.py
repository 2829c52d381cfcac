"""What a worker opens before it consumes: tables, a line for each source, and what is known of the reference data."""

import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial

import redis

from catalog import client
from catalog.fenced import FencedTable
from catalog.offsets import PartitionId
from catalog.turns import Turns
from lakehouse import redis_access
from lakehouse.deadline import Deadline
from lakehouse.settings import Settings
from streams import bronze, silver
from streams.contract import Contract
from streams.line import Line
from streams.reference_records import record_columns
from streams.references import References
from streams.window_store import WindowStore

log = logging.getLogger(__name__)
_REDIS_S = 5.0


def open_lines(
    contracts: Mapping[str, Contract],
    settings: Settings,
    confirm: Callable[[str, Collection[PartitionId], Deadline], None],
) -> tuple[dict[str, Line], References]:
    """Create tables where they are missing, and load the reference data.

    Args:
        confirm: asked before each commit of a topic, by its name (see `Line`).
    Returns:
        the line of each source, and the references that they share.
    Raises:
        LakehouseError: a server does not answer, or a table does not fit its contract.
    """
    catalog = client.connect(settings)
    client.ensure_namespaces(catalog)
    references = References(contracts, redis_access.client(settings, socket_timeout=_REDIS_S))
    turns = Turns.at(settings)
    tables: dict[str, FencedTable] = {}
    lines: dict[str, Line] = {}
    for name, contract in contracts.items():
        title = contract.title
        doc = f"{title}: validated events, one row a message"
        tables[name] = FencedTable.ensure(catalog, f"silver.{name}", silver.columns(contract), doc, turns)
        kept = None
        if name not in settings.bronze_off:
            doc = f"{title}: messages as they came"
            kept = FencedTable.ensure(catalog, f"bronze.{name}", bronze.COLUMNS, doc, turns)
        folder = settings.data_dir / "windows" / name
        lines[name] = Line(
            contract,
            tables[name],
            kept,
            references,
            settings,
            confirm=partial(confirm, settings.topic(name)),
            store=WindowStore(folder, contract, settings) if contract.is_event else None,
        )
    try:
        references.warm(lambda c: tables[c.source].accepted_records(record_columns(c)))
        references.refresh()
    except redis.RedisError as error:
        log.warning("Redis does not answer (%s): events are not enriched until it does; nothing is lost", error)
    return lines, references

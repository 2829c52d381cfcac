"""Which servers make a stack."""

from lakehouse.stack.clickhouse import ClickHouse
from lakehouse.stack.kafka import Kafka
from lakehouse.stack.line import Dashboard, Orchestrator, Worker
from lakehouse.stack.redis import Redis
from lakehouse.stack.seaweed import SeaweedFS
from lakehouse.stack.server import Server, Site
from lakehouse.stack.trino import Trino


def all_servers(site: Site) -> list[Server]:
    """The servers of a site, each after those that it needs."""
    return [Kafka(site), SeaweedFS(site), Redis(site), ClickHouse(site), Trino(site)]


def the_line(site: Site) -> list[Server]:
    """Our own processes: the workers, the orchestrator and the dashboard."""
    return [*(Worker(site, number) for number in range(site.settings.workers)), Orchestrator(site), Dashboard(site)]

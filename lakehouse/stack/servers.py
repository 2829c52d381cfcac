"""Which servers make a stack."""

from lakehouse.stack.kafka import Kafka
from lakehouse.stack.redis import Redis
from lakehouse.stack.seaweed import SeaweedFS
from lakehouse.stack.server import Server, Site


def all_servers(site: Site) -> list[Server]:
    """The servers of a site, each after those that it needs."""
    return [Kafka(site), SeaweedFS(site), Redis(site)]


def the_line(site: Site) -> list[Server]:
    """Our own processes: the workers and the orchestrator."""
    return []

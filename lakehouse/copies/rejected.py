"""What of silver is copied: the rejected rows of all sources, as one table.

They are cut into builds as facts are: build N brings what lies between the offsets that gold had taken in with the build before
and those of build N. So a copy that was cut short is mended in the same way, and each row is there once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from catalog.offsets import Offsets, between
from streams.contract import Contract, contracts

TABLE = "rejected"
_PHONES = ("from_phone_number", "phone_number")


@dataclass(frozen=True)
class Taken:
    """What gold has taken in of silver with a build.

    Attributes:
        ends: by source the offsets up to which.
        since: by source of which it took something new, when the first of that was ingested; None if that is not known.
    """

    ends: Mapping[str, Offsets] = field(default_factory=dict)
    since: Mapping[str, datetime | None] = field(default_factory=dict)


def rejected_rows(lake: str, build_id: int, before: Taken | None, later: Sequence[Taken]) -> str | None:
    """A query for the rejected rows between two builds, in the columns of `gold.rejected`; None if nothing can be new.

    Args:
        before: what the copy has; None for all up to the newest.
        later: what was taken in since, at least one, in order.
    """
    parts = []
    for name, contract in contracts().items():
        end, start = later[-1].ends.get(name, {}), before.ends.get(name, {}) if before is not None else {}
        if all(start.get(p, 0) >= offset for p, offset in end.items()):
            continue
        since = [taken.since[name] for taken in later if name in taken.since]
        bound = ""
        if before is not None and since and None not in since:
            earliest = min(at for at in since if at is not None)
            bound = f" and ingested_at >= toDateTime64('{earliest:%Y-%m-%d %H:%M:%S.%f}', 6, 'UTC')"
        parts.append(_of_source(lake, contract, build_id, f"{between(start, end)}{bound}"))
    return "\nunion all\n".join(parts) if parts else None


def _of_source(lake: str, contract: Contract, build_id: int, condition: str) -> str:
    columns = {f.column for f in contract.fields}
    key, at, unread = "event_id", "event_time", "timestamp_raw"
    if not contract.is_event:
        key, at, unread = contract.key.column, "effective_from", "null"
    # Named and typed one by one: of unions in which a column is there twice, or null, ClickHouse refuses some.
    values = {
        "source": f"'{contract.source}'",
        "reason": "assumeNotNull(rejection_reason)",
        "codes": "splitByString(', ', assumeNotNull(rejection_reason))",
        "id": f"cast({key} as Nullable(String))",
        "at": f"cast({at} as Nullable(DateTime64(6, 'UTC')))",
        "unread": f"cast({unread} as Nullable(String))",
        "phone": f"cast({next((c for c in _PHONES if c in columns), 'null')} as Nullable(String))",
    }
    named = ", ".join(f"{value} as its_{name}" for name, value in values.items())
    lineage = "kafka_topic, kafka_topic_id, kafka_partition, kafka_offset, kafka_timestamp, ingested_at"
    rows = f"from {lake}.`silver.{contract.source}` where is_rejected and {condition}"
    return f"select {named}, {lineage}, {build_id} as its_build {rows}"

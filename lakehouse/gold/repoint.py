"""Facts that are loaded already follow their members when a history changes (model.md, "History of a key").

A record that came late opens a version in the past, moves a version's beginning, or makes two versions one: facts of the time
between then belong to another version. What moved is the difference between the dimension as it is and as it was when the
fact last followed it (a snapshot that `gold.builds` names): for each key the times at which another version is valid. Only
facts of these keys and times are looked at. Keys are worked out anew from business key and `event_time`, so that repeating it
changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from lakehouse.gold.engine import Engine
from lakehouse.gold.models import Model, dimensions_of, gold
from lakehouse.gold.render import Renderer

# table -> dimension -> snapshot of the dimension that the table's rows follow
Followed = dict[str, dict[str, int]]

_MOVED = """
select n.{key} as k, greatest(n.valid_from, o.valid_from) as since, least(n.valid_to, o.valid_to) as until
from {table} n
join {table} for version as of {snapshot} o on o.{key} = n.{key} and o.{sk} <> n.{sk}
    and o.valid_from < n.valid_to and n.valid_from < o.valid_to
"""

# The facts whose member may be another one: `events` with their business keys, joined to what moved.
_CONCERNED = """
{% set moving = members | selectattr("dimension", "in", moved) | list -%}
with {% for name, query in moved.items() -%}
moved_{{ name }} as (
    {{ query }}
),
{% endfor -%}
events as (
    {{ keyed("(select * from " ~ gold(table) ~ " where event_time >= " ~ since ~ " and event_time < " ~ until ~ ")") }}
),
concerned as (
    select e.* from events e
    {% for m in moving -%}
    left join moved_{{ m.dimension }} {{ m.alias }}_moved on {{ m.alias }}_moved.k = e.{{ m.alias }}_key
        and e.event_time >= {{ m.alias }}_moved.since and e.event_time < {{ m.alias }}_moved.until
    {% endfor -%}
    where {% for m in moving %}{{ m.alias }}_moved.k is not null{{ " or " if not loop.last }}{% endfor %}
)
"""
_DAYS = (
    _CONCERNED
    + "select cast(event_time at time zone 'UTC' as date) as day, count(*) from concerned group by 1 order by 1"
)
_FOLLOW = (
    "merge into {{ gold(table) }} t using (\n"
    + _CONCERNED
    + """
select e.kafka_topic_id, e.kafka_partition, e.kafka_offset, e.event_time,
    {{ keys("e") }}
from concerned e
{{ joins("e") }}
) s on t.event_time = s.event_time and t.kafka_topic_id = s.kafka_topic_id
    and t.kafka_partition = s.kafka_partition and t.kafka_offset = s.kafka_offset
    and t.event_time >= {{ since }} and t.event_time < {{ until }}
when matched and (
    {% for m in members %}t.{{ m.column }} is distinct from s.{{ m.column }}{{ " or " if not loop.last }}{% endfor %}
)
    then update set {% for m in members %}{{ m.column }} = s.{{ m.column }}{{ ", " if not loop.last }}{% endfor %}
"""
)


@dataclass(frozen=True)
class Moved:
    """What moved in one dimension: the query of keys and times, and the bounds of all of these times as SQL."""

    query: str
    since: str
    until: str


def moved(engine: Engine, dimension: Model, snapshot_id: int) -> Moved | None:
    """What moved in a dimension with history since a snapshot of it; None if nothing did.

    Raises:
        LakehouseError: the snapshot is gone.
    """
    query = _MOVED.format(
        table=gold(dimension.table), key=dimension.business_key, sk=dimension.surrogate_key, snapshot=snapshot_id
    ).strip()
    as_text = "cast(cast({} at time zone 'UTC' as timestamp(6)) as varchar)"
    bounds = ", ".join(as_text.format(bound) for bound in ("min(since)", "max(until)"))
    since, until = engine.run(f"select {bounds} from (\n{query}\n)")[0]
    if since is None:
        return None
    return Moved(query, f"timestamp '{since} UTC'", f"timestamp '{until} UTC'")


def follow(engine: Engine, renderer: Renderer, fact: Model, what: Mapping[str, Moved]) -> tuple[list[date], int]:
    """Re-point the facts that what moved concerns.

    Args:
        what: by dimension; not empty.
    Returns:
        the days (UTC) that hold such facts, whether re-pointed now or by an earlier try; and how many rows changed now.
    """
    words: dict[str, Any] = {
        "moved": {name: m.query for name, m in what.items()},
        # text of one form: it sorts as time does
        "since": min(m.since for m in what.values()),
        "until": max(m.until for m in what.values()),
    }
    days = [row[0] for row in engine.run(renderer.render(fact, _DAYS, {}, 0, **words))]
    return days, engine.count(renderer.render(fact, _FOLLOW, {}, 0, **words)) if days else 0


def histories_of(fact: Model, among: Mapping[str, Model]) -> list[Model]:
    """The dimensions with history that a fact points to."""
    return [d for d in dimensions_of(fact, among) if d.has_history]

"""Turns gold models and checks into SQL for one build."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from lakehouse.errors import UsageError
from lakehouse.gold.intervals import Interval
from lakehouse.gold.models import Model, gold, quoted
from lakehouse.paths import data_folder
from lakehouse.settings import Settings

_MACROS = (
    "{% from 'functions/keys.sql' import sk, instant_text, unknown_sk, date_sk, time_sk, beginning, open_end with context %}"
    "{% from 'functions/history.sql' import counting, versions with context %}"
    "{% from 'functions/members.sql' import keyed, key_of, keys, joins, lineage with context %}"
)


@dataclass(frozen=True)
class Member:
    """A foreign key with what is needed to find its member: the words of `trino/functions/members.sql`."""

    column: str
    alias: str
    key: str
    dimension: str
    business_key: str
    surrogate_key: str
    has_history: bool


def members(fact: Model, among: Mapping[str, Model]) -> list[Member]:
    """The members that a fact points to, one a foreign key."""
    found = []
    for k in fact.foreign_keys:
        dimension = among[k.dimension]
        assert dimension.business_key is not None
        alias, key = k.column.removesuffix("_sk"), dimension.business_key
        found.append(Member(k.column, alias, k.key, k.dimension, key, dimension.surrogate_key, dimension.has_history))
    return found


class Renderer:
    """Turns models and checks into SQL for one build."""

    def __init__(
        self, settings: Settings, among: Mapping[str, Model], name: Callable[[str], str] = gold, full: bool = False
    ) -> None:
        """Prepare for these models.

        Args:
            name: how a gold table is written in SQL.
            full: tables are made of all of silver, whatever they hold.
        """
        self._among = among
        self._full = full
        self._gold = name
        loader = FileSystemLoader(data_folder("trino"))
        self._environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=False)
        self._fixed = {
            "time_zone": settings.time_zone,
            "weekend": ", ".join(quoted(day) for day in settings.weekend),
            "gold": name,
        }

    def render(self, model: Model, template: str, intervals: Mapping[str, Interval], build_id: int, **more: Any) -> str:
        """The SQL text of a template for a model.

        Args:
            intervals: what is new for this model, by silver source.
            more: further words that the template uses.
        Raises:
            UsageError: the template is not what it must be; the message names the table.
        """
        words = {
            **self._fixed,
            "table": model.table,
            "reads": model.reads,
            "foreign_keys": model.foreign_keys,
            "surrogate_key": model.surrogate_key,
            "business_key": model.business_key,
            "build_id": build_id,
            "new": lambda source: intervals[source].new(),
            "new_by_offsets": lambda source: intervals[source].new(by_offsets_alone=True),
            "upto": lambda source: intervals[source].upto(),
            "touched": lambda key: self.touched(model, key, intervals),
            "members": members(model, self._among),
            **more,
        }
        try:
            return self._environment.from_string(_MACROS + template).render(words).strip()
        except (TemplateError, KeyError) as error:
            raise UsageError(f"the SQL of {model.table} can't be rendered: {error}") from error

    def touched(self, model: Model, key: str, intervals: Mapping[str, Interval]) -> str:
        """A query of the keys with new records, and of those that new events name and no member has.

        Args:
            key: the business key's column.
        """
        assert model.reads is not None
        named = [
            f"select k from {intervals[fact.reads].new()} cross join unnest(array[{', '.join(keys)}]) as named (k)"
            for fact in self._among.values()
            if (keys := [k.key for k in fact.foreign_keys if k.dimension == model.table])
            and fact.reads is not None
            and fact.reads in intervals
            and not intervals[fact.reads].empty
        ]
        recorded = f"select {key} from {intervals[model.reads].new()}"
        if not named:
            return recorded
        known = f" and k not in (select {key} from {self._gold(model.table)} where {key} is not null)"
        everyone = "\n    union all ".join(named)
        return (
            f"{recorded}\n    union\n    select k from (\n    {everyone}\n    )"
            f" where k is not null{'' if self._full else known}"
        )

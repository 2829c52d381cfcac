"""The account of every event: Kafka, bronze, silver, gold and ClickHouse, held against each other.

All layers are read at the newest build whose copy is complete, each from its own engine: topics from Kafka, rows counted by
Trino, copies counted by ClickHouse. Nothing here trusts a counter of the program (model.md, "The audit, in four lines").
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

from catalog.offsets import Gap, Offsets, PartitionId, Positions, between, range_text
from catalog.snapshots import StateReader, TableState
from lakehouse.audit.balance import Account, SourceAccount
from lakehouse.audit.topics import bronze_losses
from lakehouse.copies.copy import Copies, copied_tables
from lakehouse.copies.rejected import TABLE
from lakehouse.copies.server import Server
from lakehouse.errors import LakehouseError, Retry
from lakehouse.gold.builds import Build, Builds, unsettled
from lakehouse.gold.engine import Engine
from lakehouse.gold.models import Model, broken_models, gold, models
from lakehouse.settings import Settings
from streams.contract import Contract, contracts
from streams.topics import LogRange, Topics

_DUPLICATE = "duplicate:sid"
# Sources that are accounted for at once: the queries are short, and mostly planning.
_SIDE_BY_SIDE = 4


class Auditor:
    """Draws up the account."""

    def __init__(
        self, settings: Settings, states: StateReader, builds: Builds, engine: Engine, server: Server, topics: Topics
    ) -> None:
        self._settings = settings
        self._states = states
        self._builds = builds
        self._engine = engine
        self._server = server
        self._topics = topics
        self._copies = Copies(server, states)

    def account(self) -> Account:
        """The account as of now.

        Raises:
            Retry: a server does not answer.
        """
        copied = self._copies.copied_build()
        builds = self._builds.read()
        # of a build far behind the newest the record keeps no offsets up to which anything could be counted
        build = next((b for b in builds if b.build_id == copied and b.watermarks), None)
        facts = _facts()
        broken = [f"{table} can't be read: {reason}" for table, reason in broken_models().items()]
        problems = list(dict.fromkeys([*broken, *_problems(builds, copied)]))
        result = Account(copied, {}, {}, problems, _under_way(builds, copied))
        with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="audit") as pool:
            drawn = pool.map(lambda c: self._drawn_up(c, facts.get(c.source, []), build, copied), contracts().values())
        for name, account in zip(contracts(), drawn, strict=True):
            kind = result.sources if contracts()[name].is_event and name in facts else result.references
            kind[name] = account
        return result

    def settled(self) -> bool:
        """Whether nothing seems to be in flight: asked of Kafka, the catalog and ClickHouse alone, since an account is dear.

        An account takes some twenty queries of Trino, which would rather build what one is waiting for.

        Raises:
            Retry: a server does not answer.
        """
        builds = self._builds.read()
        newest = builds[-1] if builds else None
        if _under_way(builds, self._copies.copied_build()) is not None:
            return False
        facts = _facts()
        with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="settled") as pool:
            return all(
                pool.map(lambda c: self._source_settled(c, facts.get(c.source, []), newest), contracts().values())
            )

    def _source_settled(self, contract: Contract, facts: Sequence[Model], newest: Build | None) -> bool:
        name = contract.source
        silver = self._states.state(f"silver.{name}").positions
        offered = self._topics.logs(self._settings.topic(name))
        logs = _with_former(offered, silver)
        taken = [newest.end_of(name, fact.table) for fact in facts if contract.is_event] if newest is not None else []
        if name not in self._settings.bronze_off:
            bronze = self._states.state(f"bronze.{name}").positions.next
            if _waits(bronze, silver.next, offered):
                return False
        return all(log.end <= silver.next.get(p, log.start) for p, log in logs.items()) and all(
            silver.next.items() <= upto.items() for upto in taken
        )

    def _drawn_up(self, contract: Contract, facts: Sequence[Model], build: Build | None, copied: int) -> SourceAccount:
        """One source's account: events up to the build, reference records up to what silver has.

        Each fact of a source must hold all that was accepted; the counts shown are those of the first.
        """
        silver = self._states.state(f"silver.{contract.source}")
        if not contract.is_event or not facts:
            return self._source(contract, silver, silver.positions.next)
        fact, others = facts[0], facts[1:]
        upto = build.end_of(contract.source, fact.table) if build is not None else {}
        account = self._source(contract, silver, upto)
        account.gold, account.clickhouse = 0, 0 if fact.table in copied_tables() else None
        if build is not None:
            for other in others:
                beside = replace(account, amount={c: dict(a) for c, a in account.amount.items()}, problems=[])
                self._downstream(beside, other, copied)
                account.problems += [f"{other.table}: {problem}" for problem in beside.problems]
            self._downstream(account, fact, copied)
            self._rejected(contract.source, account, upto)
        return account

    def _rejected(self, source: str, account: SourceAccount, upto: Offsets) -> None:
        """Hold the copy of silver's rejected rows against silver."""
        if TABLE not in copied_tables() or self._copies.recorded_build(TABLE) < self._copies.copied_build():
            return  # an older version made the copies; the next build copies them
        counted = self._server.query(
            f"select count() from gold.{TABLE} where source = '{source}' and {between({}, upto)}"
        )
        if int(counted[0][0]) != account.rejected:
            account.problems.append(f"{account.rejected} rejected, {counted[0][0]} of them in clickhouse")

    def _source(self, contract: Contract, state: TableState, upto: Offsets) -> SourceAccount:
        name, silver = contract.source, state.positions
        offered = self._topics.logs(self._settings.topic(name))
        topic = self._settings.topic(name)
        account = SourceAccount(notices=self._strangers(topic, offered, silver))
        if silver.next and not offered:
            said = (
                f"there is no topic {topic}: what waits on it can't be counted (was it deleted? see LAKEHOUSE_TOPICS)"
            )
            account.problems.append(said)
        logs = _with_former(offered, silver)
        gaps = {p: [g for g in silver.gaps.get(p, ()) if g.first < upto.get(p, 0)] for p in logs}
        expected_sum, contradictions = 0, list[str]()
        for p, log in logs.items():
            start = silver.start.get(p, log.start)
            until, read = upto.get(p, start), silver.next.get(p, start)
            empty = sum(min(g.next, until) - g.first for g in gaps[p] if not g.lost)
            lost = [g for g in gaps[p] if g.lost]
            if log.start > read:
                lost.append(Gap(read, log.start, True))  # retention took them unread; no commit has passed them yet
            lost_beyond = sum(g.next - max(g.first, until) for g in lost if g.next > until)
            account.produced += max(log.end, until) - start - empty
            account.in_flight += max(0, log.end - until) - lost_beyond
            account.lost += sum(g.next - g.first for g in lost)
            account.acknowledged += sum(loss.covers(p, g) for loss in state.losses for g in lost)
            account.lost_ranges += [range_text(name, p, g) for g in lost]
            contradictions += _contradictions(name, p, log, silver)
            expected_sum += _sum(start, until) - sum(_sum(g.first, min(g.next, until)) for g in gaps[p])
        account.problems += contradictions
        self._rows(contract, account, upto)
        if account.offset_sum != expected_sum and not contradictions:
            account.problems.append("silver's offsets do not add up: one is there twice and another is missing")
        present = account.accepted + account.rejected
        if account.produced != present + account.in_flight + account.lost:
            account.problems.append(
                f"{account.produced} produced, but {present} in silver, {account.in_flight} in flight, {account.lost} lost"
            )
        if name not in self._settings.bronze_off:
            self._bronze(name, account, silver, upto, offered)
        return account

    def _strangers(self, topic: str, offered: Collection[PartitionId], silver: Positions) -> list[str]:
        """What silver was read from, if that is not what is to be read, and no former incarnation of it either."""
        others = self._topics.names({p.topic_id for p in silver.next} - {p.topic_id for p in offered})
        return [
            f"silver has rows of the topic {name} too, and is read from {topic} now" for name in sorted(others.values())
        ]

    def _rows(self, contract: Contract, account: SourceAccount, upto: Offsets) -> None:
        table, where = f"iceberg.silver.{contract.source}", between({}, upto)
        if not upto:
            return
        money = ("currency", f"sum({contract.amount})") if contract.amount is not None else ("''", "0")
        # one statement a source: planning costs more than counting
        groups = self._engine.run(
            f"select is_rejected, if(is_rejected, rejection_reason), if(not is_rejected, {money[0]}), count(*),"
            f" sum(cast(kafka_offset as decimal(38, 0))), {money[1]} from {table} where {where} group by 1, 2, 3"
        )
        reasons: Counter[str] = Counter()
        for is_rejected, reason, currency, rows, offsets, amount in groups:
            account.offset_sum += int(offsets)
            if is_rejected:
                account.rejected += int(rows)
                account.duplicates += int(rows) if reason == _DUPLICATE else 0
                reasons.update(dict.fromkeys((reason or "").split(", "), int(rows)))
                continue
            account.accepted += int(rows)
            account.accepted_offset_sum += int(offsets)
            if contract.amount is not None:
                account.amount.setdefault(currency, {})["silver"] = _money(amount)
        account.reasons = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))

    def _bronze(
        self, name: str, account: SourceAccount, silver: Positions, upto: Offsets, logs: Mapping[PartitionId, LogRange]
    ) -> None:
        """Bronze commits later than silver: it must hold what its own offsets say, and in the end go as far as silver."""
        state = self._states.state(f"bronze.{name}")
        stands = state.positions
        account.bronze_waits = _waits(stands.next, upto, logs)
        for p, gap in bronze_losses(silver, state, logs):
            account.problems.append(
                f"bronze alone lacks {range_text(name, p, gap)} of topic {p.topic_id}: gone from Kafka before it was written"
                " (lakehouse topics --acknowledge)"
            )
        there = {p: min(following, stands.next.get(p, 0)) for p, following in upto.items()}
        counted = (
            self._engine.count(f"select count(*) from iceberg.bronze.{name} where {between({}, there)}") if there else 0
        )
        account.bronze = counted
        account.bronze_expected = sum(
            following
            - stands.start.get(p, 0)
            - sum(min(g.next, following) - g.first for g in stands.gaps.get(p, ()) if g.first < following)
            for p, following in there.items()
            if p in stands.next
        )
        if counted != account.bronze_expected:
            account.problems.append(f"bronze has {counted} rows where its offsets tell of {account.bronze_expected}")

    def _downstream(self, account: SourceAccount, fact: Model, build_id: int) -> None:
        """Hold gold and its copy against what was accepted; where an operator made no copy, gold alone."""
        layers: list[tuple[str, Callable[[str], Sequence[Any]], str]] = [("gold", self._engine.run, gold(fact.table))]
        if fact.table in copied_tables():
            layers.append(("clickhouse", self._server.query, f"gold.{fact.table}"))
        for layer, query, table in layers:
            try:
                _count_layer(account, fact, layer, query, f"{table} where build_id <= {build_id}")
            except Retry:
                raise
            except LakehouseError as error:
                account.problems.append(f"{layer} can't be counted: {error}")
        names = ["silver", *(layer for layer, _, _ in layers)]
        for currency, amounts in account.amount.items():
            if len({amounts.get(layer) for layer in names}) != 1:
                account.problems.append(f"the amounts in {currency} differ: {amounts}")


def _facts() -> dict[str | None, list[Model]]:
    """The facts of each source."""
    found: dict[str | None, list[Model]] = {}
    for model in models().values():
        if model.kind == "fact":
            found.setdefault(model.reads, []).append(model)
    return found


def _count_layer(
    account: SourceAccount, fact: Model, layer: str, query: Callable[[str], Sequence[Any]], rows: str
) -> None:
    """Count a fact's rows in one layer, and hold them against what was accepted."""
    money = ("currency", "sum(amount)") if fact.has_amount else ("''", "0")
    count, offsets = 0, 0
    for currency, of_rows, of_offsets, amount in query(
        f"select {money[0]} as c, count(*), sum(cast(kafka_offset as decimal(38, 0))), {money[1]} from {rows} group by 1"
    ):
        count += int(of_rows)
        offsets += int(of_offsets)
        if fact.has_amount:
            account.amount.setdefault(currency, {})[layer] = _money(amount)
    setattr(account, layer, count)
    if count != account.accepted:
        account.problems.append(f"{account.accepted} accepted, {count} in {layer}")
    elif offsets != account.accepted_offset_sum:
        account.problems.append(
            f"as many rows in {layer} as accepted, but not the same: offsets add up to {offsets},"
            f" not {account.accepted_offset_sum}"
        )


def _waits(bronze: Offsets, upto: Offsets, logs: Mapping[PartitionId, LogRange]) -> bool:
    """Whether bronze still gets something up to some offsets: of what Kafka no longer has it does not."""
    return any(max(bronze.get(p, 0), logs[p].start) < following for p, following in upto.items() if p in logs)


def _with_former(present: Mapping[PartitionId, LogRange], silver: Positions) -> dict[PartitionId, LogRange]:
    """What each partition's log offered: of the present topic Kafka tells, of earlier ones silver."""
    former = {p: LogRange(silver.start.get(p, 0), n) for p, n in silver.next.items() if p not in present}
    return {**present, **former}


def _contradictions(name: str, p: PartitionId, log: LogRange, silver: Positions) -> list[str]:
    """What Kafka and silver can't both be right about."""
    found = []
    where = f"{name}[{p.partition}]"
    if log.end < silver.next.get(p, 0):
        found.append(f"{where}: the log ends at {log.end}, silver has read up to {silver.next[p]}: the log was cut")
    if p in silver.start and log.start < silver.start[p]:
        found.append(f"{where}: the log begins at {log.start}, silver only at {silver.start[p]}")
    return found


def _sum(first: int, following: int) -> int:
    """The sum of the offsets of a half-open range."""
    return (first + following - 1) * (following - first) // 2 if following > first else 0


def _money(amount: Any) -> str:
    return f"{Decimal(amount):.4f}"


def _under_way(builds: Sequence[Build], copied: int) -> str | None:
    """What of gold is still being made."""
    if not builds:
        return None
    newest = builds[-1].build_id
    if builds[-1].results is None:
        return f"build {newest} is under way"
    if newest == copied:
        return None
    return f"build {newest} is not copied whole yet (`lakehouse status` says if something keeps it from that)"


def _problems(builds: list[Build], copied: int) -> list[str]:
    """What builds up to the copied one reported."""
    newest = next((b for b in reversed(builds) if b.results is not None), None)
    found = [
        f"build {build}: {table}: {check} (`lakehouse build --full --only {table}` makes it anew)"
        for build, table, check in unsettled(builds)
    ]
    known = any(build.build_id == copied and build.watermarks for build in builds)
    if newest is not None and copied and not known:
        found.append(
            f"the copies hold build {copied}, the newest is {newest.build_id}: too far back to be accounted for;"
            " `lakehouse status` and the orchestrator's log say why they are not refreshed"
        )
    if newest is not None:
        found += [f"{table} could not be loaded: {error}" for table, error in newest.errors.items()]
    return found

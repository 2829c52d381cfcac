"""The proof that each offset is where it must be, once: from Iceberg's metadata and the lineage columns alone.

Each table's rows are read (three columns) and held against what must be there: silver and bronze against the positions of their
newest snapshot, each fact against silver's accepted rows up to its build, each copy in ClickHouse against its fact. No count,
sum or record of the program's own is believed but those positions, and they are believed only together with the rows.

Of a copy all other values, and of dimensions all, are held against gold too, as the sum of a hash a row; what facts hold of
subscribers against dim_user; and what their projections count against their rows. That is while no build is under way, since a
build changes older rows. What could not be held against anything for that is told (`Proof.passed_over`).
"""

import io
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa

from catalog.client import Catalog
from catalog.lineage import COLUMNS, Piece, Standing
from catalog.offsets import Offsets
from lakehouse.audit.coverage import covered, difference, size, together, told_by, up_to
from lakehouse.copies.columns import contents
from lakehouse.copies.copy import copied_tables
from lakehouse.copies.numbers import misheld, missummed
from lakehouse.copies.rejected import TABLE
from lakehouse.copies.server import Server
from lakehouse.gold.builds import Build
from lakehouse.gold.models import Model, models
from streams.contract import Contract, contracts

# A table that is wrong through and through has a range for each row: so many are named.
RANGES_TOLD = 1000
_UNDER_WAY = ", since a build is under way"
Progress = Callable[[str, int, int], object]
"""Told after each piece: table, files and rows so far."""


@dataclass(frozen=True)
class Range:
    """Offsets that are not as they must be: `found` times in the table, `expected` times to be there."""

    topic_id: str
    partition: int
    first: int
    last: int
    found: int
    expected: int

    def __str__(self) -> str:
        what = (
            "missing" if self.found < self.expected else f"{self.found} times" if self.expected else "not to be there"
        )
        return f"{self.topic_id}[{self.partition}] {self.first}..{self.last}: {what}"


@dataclass
class Proof:
    """What was found of one table.

    Attributes:
        files, rows: read.
        explained: offsets without a row, since Kafka had none there (compaction, transaction markers).
        lost: offsets that retention removed before they were read; recorded, so they are explained too.
        ranges: what is wrong, in order, at most `RANGES_TOLD`.
        wrong: offsets that are wrong, in all.
        problems: what else can't be, in words.
        passed_over: what was not looked at, and why.
    """

    table: str
    files: int = 0
    rows: int = 0
    partitions: int = 0
    explained: int = 0
    lost: int = 0
    ranges: list[Range] = field(default_factory=list)
    wrong: int = 0
    problems: list[str] = field(default_factory=list)
    passed_over: str | None = None

    @property
    def holds(self) -> bool:
        """Whether the table is as it must be."""
        return not self.wrong and not self.problems


class Verifier:
    """Reads the tables and draws up the proofs."""

    def __init__(
        self,
        client: Catalog,
        build: Build | None,
        server: Server | None,
        progress: Progress,
        problems: Sequence[str] = (),
        settled: Callable[[], bool] = lambda: False,
        bronze_off: Collection[str] = (),
        begun: Callable[[], bool] = lambda: True,
    ) -> None:
        """Args:
        build: up to which facts and copies are held against silver; None: there is none yet.
        server: ClickHouse; None: its copies are not looked at.
        problems: what keeps it from looking at all.
        settled: whether the build is still the newest, and nothing has begun since.
        bronze_off: sources without a bronze table.
        begun: whether a build was ever recorded.
        """
        self._settled = settled
        self._problems = problems
        self._bronze_off = bronze_off
        self._begun = begun
        self._client = client
        self._build = build
        self._server = server
        self._progress = progress

    @property
    def build_id(self) -> int | None:
        """Up to which build gold is held against silver."""
        return self._build.build_id if self._build is not None else None

    def proofs(self, sources: Sequence[str]) -> Iterator[Proof]:
        """Proofs of all tables of some sources, in the order of the line.

        Raises:
            Retry: a server does not answer.
        """
        if self._problems:
            yield Proof("all of it", problems=list(self._problems))
        rejected: list[pl.DataFrame] = []
        for name in sources:
            contract = contracts()[name]
            facts = [m for m in models().values() if m.kind == "fact" and m.reads == name] if contract.is_event else []
            yield from self._silver_on(contract, facts, rejected)
            yield from self._bronze(name)
        yield from self._rejected(sources, together(rejected))
        yield from self._dimensions(sources)

    def _bronze(self, source: str) -> Iterator[Proof]:
        name = f"bronze.{source}"
        bronze = Standing.of(self._client, name)
        if bronze is not None and bronze.positions.next:
            proof, coverage = self._read(name, bronze.pieces())
            yield _held_against_positions(proof, coverage, bronze)
        elif bronze is not None and bronze.has_rows:
            yield Proof(name, problems=["it has rows, but does not say up to which offsets"])
        elif bronze is None and source not in self._bronze_off:
            yield Proof(name, problems=["there is no such table (LAKEHOUSE_BRONZE_OFF names sources without)"])

    def _rejected(self, sources: Sequence[str], rejected: pl.DataFrame) -> Iterator[Proof]:
        """The copy of silver's rejected rows."""
        if self._server is None or self._build is None or TABLE not in copied_tables():
            return
        listed = ", ".join(f"'{source}'" for source in sources)
        copy = _copied(self._server, TABLE, f"build_id <= {self._build.build_id} and source in ({listed})")
        proof, coverage = self._read(f"clickhouse {TABLE}", copy)
        held_against(proof, coverage, rejected)
        if not proof.holds and not self._settled():  # a full build has the whole copy made anew, as of itself
            proof = Proof(proof.table, rows=proof.rows, passed_over=f"rows{_UNDER_WAY}")
        yield proof

    def _dimensions(self, sources: Sequence[str]) -> Iterator[Proof]:
        """The copies of dimensions that come of these sources, or of none."""
        for table, model in models().items():
            ours = model.reads in sources or (model.reads is None and set(sources) == set(contracts()))
            if model.kind != "fact" and ours and table in copied_tables() and self._server and self._build:
                proof = Proof(f"clickhouse {table}")
                self._hold_values(proof, table, self._server, "")
                yield proof

    def _hold_values(self, proof: Proof, table: str, server: Server, condition: str) -> None:
        """Hold a copy's values against gold's. If they are equal they are, whatever is under way."""
        self._progress(proof.table, 0, proof.rows)
        copy, gold = contents(server, table, condition)
        proof.rows = copy.rows
        others, sums = misheld(server, table, condition), missummed(server, table)
        if copy == gold and not others and not sums:
            return
        if not self._settled():
            proof.passed_over = f"values{_UNDER_WAY}"
            return
        anew = f"`lakehouse build --full --only {table}` copies it anew"
        if copy != gold:
            proof.problems.append(
                f"its {copy.rows:,} rows and the {gold.rows:,} of gold.{table} do not have the same values; {anew}"
            )
        if sums:
            proof.problems.append(f"its projections {', '.join(sums)} do not count what its rows do; {anew}")
        if others:
            proof.problems.append(f"{others:,} rows hold something else of their subscriber than dim_user says; {anew}")

    def _silver_on(self, contract: Contract, facts: Sequence[Model], rejected: list[pl.DataFrame]) -> Iterator[Proof]:
        """Silver, and the facts and copies that follow it; adds to what is rejected up to the build."""
        name = f"silver.{contract.source}"
        silver = Standing.of(self._client, name)
        if silver is None:
            yield Proof(name, problems=["there is no such table"])
            return
        accepted: list[pl.DataFrame] = []
        upto = self._build.ends.get(contract.source, {}) if self._build is not None else {}

        def keeping_both() -> Iterator[Piece]:
            for piece in silver.pieces(also=("is_rejected",)):
                if facts:
                    accepted.append(covered(piece.rows.filter(~pl.col("is_rejected"))))
                rejected.append(up_to(covered(piece.rows.filter("is_rejected")), upto))
                yield piece

        proof, coverage = self._read(name, keeping_both())
        yield _held_against_positions(proof, coverage, silver)
        for fact in facts:
            if self._build is not None:
                yield from self._fact(fact, together(accepted), self._build)
            elif (gold := Standing.of(self._client, f"gold.{fact.table}")) and gold.has_rows and not self._begun():
                yield Proof(f"gold.{fact.table}", problems=["it has rows, but no build is on record (gold.builds)"])

    def _fact(self, fact: Model, accepted: pl.DataFrame, build: Build) -> Iterator[Proof]:
        upto: Offsets = build.end_of(fact.reads or "", fact.table)
        expected = up_to(accepted, upto)
        gold = Standing.of(self._client, f"gold.{fact.table}")
        if gold is None:
            yield Proof(f"gold.{fact.table}", problems=["there is no such table"] if upto else [])
            return
        of_builds = f"build_id <= {build.build_id}"
        proof, coverage = self._read(f"gold.{fact.table}", gold.pieces(of_builds))
        beyond = sum(len(piece.rows) for piece in gold.pieces(f"build_id > {build.build_id} or build_id is null"))
        if beyond and self._settled():
            proof.problems.append(f"{beyond:,} rows are of no build")
        yield held_against(proof, coverage, expected)
        if self._server is not None and fact.table in copied_tables():
            proof, copy = self._read(f"clickhouse {fact.table}", _copied(self._server, fact.table, of_builds))
            held_against(proof, copy, coverage)
            if proof.holds:
                self._hold_values(proof, fact.table, self._server, f"where {of_builds}")
            yield proof

    def _read(self, name: str, pieces: Iterable[Piece]) -> tuple[Proof, pl.DataFrame]:
        proof = Proof(name)
        coverages, nowhere = [], 0
        for piece in pieces:
            proof.files += piece.files
            proof.rows += len(piece.rows)
            told = piece.rows.drop_nulls(COLUMNS)
            nowhere += len(piece.rows) - len(told)
            coverages.append(covered(told))
            self._progress(name, proof.files, proof.rows)
        if nowhere:
            proof.problems.append(f"{nowhere:,} rows do not say which message they are of")
        return proof, together(coverages)


def _copied(server: Server, table: str, condition: str) -> Iterator[Piece]:
    """Lineage columns of a copy in ClickHouse."""
    sql = f"select toString(kafka_topic_id) as kafka_topic_id, kafka_partition, kafka_offset from gold.{table}"
    with server.stream(f"{sql} where {condition}", {}, "ArrowStream", {}) as stream:
        raw: Any = io.BufferedReader(stream)
        for batch in pa.ipc.open_stream(raw):
            yield Piece(0, pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch]))).select(COLUMNS))


def _held_against_positions(proof: Proof, coverage: pl.DataFrame, table: Standing) -> Proof:
    """Hold a silver or bronze table against its own positions and snapshots."""
    positions = table.positions
    proof.explained = sum(g.next - g.first for gaps in positions.gaps.values() for g in gaps if not g.lost)
    proof.lost = sum(g.next - g.first for _, g in positions.lost)
    proof.problems += table.contradictions()
    return held_against(proof, coverage, told_by(positions))


def held_against(proof: Proof, coverage: pl.DataFrame, expected: pl.DataFrame) -> Proof:
    """Note in a proof where a coverage is not as expected."""
    proof.partitions = len(coverage.select("topic_id", "partition").unique())
    wrong = difference(coverage, expected)
    proof.wrong = size(wrong)
    proof.ranges = [
        Range(topic_id, partition, first, following - 1, found, wanted)
        for topic_id, partition, first, following, found, wanted in wrong.head(RANGES_TOLD).iter_rows()
    ]
    return proof

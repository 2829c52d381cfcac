"""What the events of each source say, beyond the contract: who, when, and how they belong together."""

import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from sources.contract_faults import source_defects
from sources.defects import parse_shares
from sources.feed import Feed
from sources.generate import Run, run
from sources.mix import EVENT_SOURCES
from sources.population import build_population
from sources.publish import Interrupted
from sources.rhythm import event_times, last_clock_change
from sources.scene import Complaints, Scene
from sources.staff import DEPARTMENTS, REASONS

END = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ZONE = "Africa/Cairo"
SCENE = Scene(build_population(seed=1, users=400), "r1")


class Memory:
    """A sink that keeps the events in the order in which they came, and stops after a number of them."""

    def __init__(self, most: int | None = None) -> None:
        self.sent: list[tuple[str, int]] = []
        self.values: dict[str, list[bytes]] = {name: [] for name in EVENT_SOURCES}
        self.most = most

    def send_frame(self, source: str, messages: pl.DataFrame) -> None:
        if source not in self.values:
            return
        left = messages.height if self.most is None else self.most - sum(count for _, count in self.sent)
        taken = messages.head(left)
        self.sent.append((source, taken.height))
        self.values[source] += taken["value"].to_list()
        if taken.height < messages.height:
            raise Interrupted(taken.height)

    def events(self, source: str) -> pl.DataFrame:
        frame = pl.DataFrame([json.loads(value) for value in self.values[source]], infer_schema_length=None)
        return frame.with_columns(pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S").alias("at"))


@pytest.fixture(scope="module")
def clean() -> Memory:
    sink = Memory()
    run(
        # two chunks, so that balances and complaints are handed on
        Run(
            events=60_000,
            run_id="r1",
            end=END,
            users=400,
            days=2,
            defects="none",
            sources=dict.fromkeys(EVENT_SOURCES, 1),
        ),
        sink,
        ZONE,
    )
    return sink


def _national(name: str) -> pl.Expr:
    return pl.col(name).str.replace_all(r"[^0-9]", "").str.tail(10)


def test_balances_add_up_and_nothing_is_spent_that_is_not_there(clean: Memory) -> None:
    piastres = [(pl.col(name) * 100).round().cast(pl.Int64) for name in ("balance_before", "balance_after")]
    events = clean.events("recharge").with_columns(*piastres, _national("phone_number").alias("number"))
    added = (pl.col("recharge_amount") * 100).round().cast(pl.Int64) * (pl.col("status") == "success")
    assert events.select((pl.col("balance_after") == pl.col("balance_before") + added).all()).item()
    earlier = pl.col("balance_after").shift(1).over("number")
    spent = events.select((earlier - pl.col("balance_before")).alias("spent")).drop_nulls()["spent"]
    assert len(spent) > 10_000
    assert (spent >= 0).all()
    assert (spent > 0).mean() > 0.5
    assert (events["balance_before"] == 0).any()


def test_most_recharges_are_of_the_payers_own_number(clean: Memory) -> None:
    events = clean.events("recharge")
    own = events.select((_national("phone_number") == _national("customer")).mean()).item()
    assert 0.85 < own < 0.95
    assert (events["billing_info"].struct.field("amount") > events["recharge_amount"]).all(), "taxes take a part"


def test_only_bills_have_an_invoice(clean: Memory) -> None:
    events = clean.events("payment")
    assert (events["invoice_number"].is_not_null() == (events["payment_type"] == "Bill Payment")).all()
    assert {"Fawry", "Vodafone Cash", "Credit Card"} < set(events["payment_method"])
    assert events["transaction_id"].n_unique() == events.height
    shares = dict(events["status"].value_counts(normalize=True).rows())
    assert shares["success"] > 0.85
    assert 0.04 < shares["failed"] < 0.1


def test_two_in_five_ask_the_support_after_a_payment_failed() -> None:
    sink = Memory()
    plan = Run(events=30_000, run_id="r1", end=END, users=5_000, defects="none", sources={"payment": 1, "support": 2})
    run(plan, sink, ZONE)
    failed = sink.events("payment").filter(pl.col("status") == "failed").select("customer", failed="at")
    billing = sink.events("support").filter(pl.col("reason") == "billing").select("customer", asked="at")
    later = (pl.col("asked") - pl.col("failed")).dt.total_minutes()
    pairs = failed.join(billing, on="customer").with_columns(later.alias("later"))

    def asking(within: pl.Expr) -> float:
        return pairs.filter(within).select("customer", "failed").unique().height / failed.height

    assert 0.35 < asking(pl.col("later").is_between(0, 180)) < 0.5
    assert asking(pl.col("later").is_between(-180, -1)) < 0.1


def test_complaints_take_a_case_each_and_wait_for_the_next_batch() -> None:
    minute = 60_000_000
    complaints = Complaints(
        users=np.array([7, 8, 9]), failed=np.array([0, 0, 5]) * minute, due=np.array([10, 10, 60]) * minute
    )
    cases, users = complaints.take(np.array([5, 12, 20, 30]) * minute)
    assert (cases.tolist(), users.tolist()) == ([1, 2], [7, 8])
    assert complaints.users.tolist() == [9]
    cases, users = complaints.take(np.array([90, 900]) * minute)
    assert (cases.tolist(), users.tolist()) == ([0], [9])


def test_who_waited_for_hours_does_not_ask_any_more() -> None:
    complaints = Complaints(users=np.array([7]), failed=np.array([0]), due=np.array([1]))
    cases, _ = complaints.take(np.array([7 * 3_600_000_000]))
    assert cases.tolist() == []
    assert complaints.users.tolist() == []


def test_cases_go_to_active_agents_of_the_department_in_charge(clean: Memory) -> None:
    agents = SCENE.population.agents
    cases = clean.events("support").join(agents, on="agent_id", how="left")
    assert set(cases["status"]) == {"active"}
    charge = {reason.name: reason.department for reason in REASONS}
    assert (cases["department"] == cases["reason"].replace_strict(charge)).mean() > 0.85
    assert set(agents["department"]) == set(DEPARTMENTS)
    assert set(agents["status"]) == {"active", "on_leave", "left"}


def test_few_cases_are_scored_and_long_waits_cost_stars(clean: Memory) -> None:
    cases = clean.events("support")
    assert 0.4 < cases["satisfaction_score"].is_not_null().mean() < 0.5
    by_outcome = dict(cases.group_by("first_call_resolution").agg(pl.col("satisfaction_score").mean()).rows())
    assert by_outcome[True] > by_outcome[False] + 1


def test_texts_are_arabic_and_latin_and_priced_by_the_part(clean: Memory) -> None:
    texts = clean.events("sms")
    assert 0.3 < texts["body"].str.contains(r"\p{Arabic}").mean() < 0.8
    assert not texts["body"].str.contains(r"\{").any()
    amount = texts["billing_info"].struct.field("amount")
    assert amount.filter(texts["status"] == "failed").sum() == 0
    assert 0.2 < (amount == 0).mean() < 0.6
    for end in ("from", "to"):
        for name in ("phone_number", "cell_site", "imei"):
            assert texts[end].struct.field(name).null_count() == 0


@pytest.mark.parametrize("source", EVENT_SOURCES)
def test_evenings_are_busier_than_nights(clean: Memory, source: str) -> None:
    hours = clean.events(source)["at"].dt.hour()
    assert hours.is_between(18, 22).sum() > 3 * hours.is_between(1, 5).sum()


def test_a_run_sends_all_sources_in_turns(clean: Memory) -> None:
    assert [source for source, _ in clean.sent[:10]] == [*EVENT_SOURCES] * 2
    assert sum(count for _, count in clean.sent[:5]) <= 2_000


def test_a_stopped_run_counts_exactly_what_was_sent() -> None:
    sink = Memory(most=3_777)
    plan = Run(events=20_000, run_id="r1", end=END, users=400, sources=dict.fromkeys(EVENT_SOURCES, 1))
    outcome = run(plan, sink, ZONE)
    assert outcome.interrupted
    produced = {name: expected.produced for name, expected in outcome.sources.items()}
    assert produced == {name: len(values) for name, values in sink.values.items()}
    assert sum(produced.values()) == 3_777
    assert min(produced.values()) > 300


@pytest.mark.parametrize("source", EVENT_SOURCES)
def test_small_batches_add_up_to_the_shares_that_were_asked(source: str) -> None:
    defects = source_defects(source, ZONE)
    shares = parse_shares("0.05,duplicates=0.04", {source: defects})[source]
    feed = Feed(EVENT_SOURCES[source], SCENE, defects, shares, last_clock_change(ZONE, END), seed=1)
    batches = [feed.batch(3, lambda count: event_times(feed.draw, count, END, 1, ZONE)) for _ in range(100)]
    messages = pl.concat(batches)
    assert messages.height == 300
    assert (messages["codes"] == "duplicate:sid").sum() == 12
    assert messages.filter(pl.col("defect").is_not_null() & (pl.col("defect") != "duplicates")).height == 15

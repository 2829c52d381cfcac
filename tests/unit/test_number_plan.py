"""The number plan's patterns as automata, and numbers read by them."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import UsageError
from streams.contract import parse
from streams.decode import Decoder
from streams.kernel.patterns import Automata, matches
from streams.message import dump
from streams.number_plan import e164, rules
from streams.rules import READERS, Context

PATTERNS = [rule.pattern for rule in rules()] + [
    "^[0-9]{15}$",
    "^a*b+(c|)$",
    "^(ab|a)+$",
    r"^\(?[a-c-]{1,3}\.$",
    "^(?:x|yz)?$",
]
NUMBERS = st.text("0123456789+", max_size=18) | st.from_regex(
    re.compile(r"(\+20|0020|20)?0?1[0125][0-9]{8}|(\+|00)[1-9][0-9]{7,15}", re.ASCII), fullmatch=True
)
DECORATED = st.tuples(NUMBERS, st.sampled_from(["", " ", "-", "(", ")", "\u2009", "٣", "x", "\n"]), st.integers(0, 18))
CONTRACT = parse({"source": "s", "kind": "event", "event_type": "call", "fields": [{"name": "f", "type": "phone"}]})
DECODER = Decoder(CONTRACT)


@pytest.mark.parametrize("number", range(len(PATTERNS)))
@given(text=NUMBERS | st.text("abcxyz.(-", max_size=6))
def test_an_automaton_matches_what_its_pattern_matches(number: int, text: str) -> None:
    automata, data = Automata.of(PATTERNS), np.frombuffer(text.encode(), np.uint8)
    found = matches(data, 0, len(data), automata.starts[number], automata.steps, automata.accepts)
    assert found == bool(re.fullmatch(PATTERNS[number][1:-1], text))


@pytest.mark.parametrize(
    "pattern", ["a", "^a", r"^\d$", "^a{x}$", "^(a$", "^a{1,}$", "^[^a]$", "^.$", "^é$", "^(a{99}){99}$", "^*$"]
)
def test_what_is_not_understood_is_named(pattern: str) -> None:
    with pytest.raises(UsageError, match="number plan"):
        Automata.of([pattern])


@given(st.lists(DECORATED, min_size=1, max_size=20))
def test_numbers_of_a_column_are_read_as_each_is_read_alone(drawn: list[tuple[str, str, int]]) -> None:
    texts = [number[:at] + sign + number[at:] for number, sign, at in drawn]
    sent = pa.array([dump({"f": text}).encode() for text in texts], pa.large_binary())
    raw = DECODER.decode(sent).fields["f"]
    reading = READERS["phone"](raw, CONTRACT["f"], Context("UTC", None, np.zeros(len(sent))))  # type: ignore[arg-type]
    alone = [e164(text) for text in texts]
    assert reading.value.to_pylist() == [
        number or text.strip() or None for number, text in zip(alone, texts, strict=True)
    ]
    invalid = [number is None and bool(text.strip()) for number, text in zip(alone, texts, strict=True)]
    assert (reading.codes != 0).tolist() == invalid

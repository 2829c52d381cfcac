"""The decoder gives one row a message, in order, and reads what the slow reference reads; compiled, and in the interpreter."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.fuzz import as_lists, difference, read_slowly
from streams.contract import contracts
from streams.decode import Decoder
from streams.kernel import scan
from tests.conformance.messages import messages

COMPILED = not numba.config.DISABLE_JIT
QUICK = settings(max_examples=60 if COMPILED else 15, suppress_health_check=list(HealthCheck))
SOURCES = ["calls", "sms", "users"]


@cache
def decoder(source: str) -> Decoder:
    return Decoder(contracts()[source])


@QUICK
@pytest.mark.parametrize("source", SOURCES)
@given(data=st.data())
def test_a_batch_is_read_as_its_messages_are_read_one_by_one(source: str, data: st.DataObject) -> None:
    sent = data.draw(st.lists(messages(source), min_size=1, max_size=8))
    values = pa.array(sent, pa.large_binary())
    assert as_lists(decoder(source).decode(values)) == read_slowly(contracts()[source], sent)


@QUICK
@pytest.mark.parametrize("source", SOURCES)
@given(data=st.data())
def test_no_message_is_read_beyond_its_end(source: str, data: st.DataObject) -> None:
    """What would make it whole again lies right behind it."""
    whole = data.draw(messages(source)) or b"{}"
    cut = data.draw(st.integers(0, len(whole)))
    sent = [whole[:cut], whole[cut:], whole]
    found = decoder(source).decode(pa.array([b'{"sid": "', *sent], pa.large_binary()).slice(1))
    assert as_lists(found) == read_slowly(contracts()[source], list(sent))


def _numbered(good: bytes, others: list[bytes | None]) -> pa.Array:
    """Each of the others between two good messages that carry their own row number as `sid`."""
    sent: list[bytes | None] = []
    for other in others:
        sent += [good % len(sent), other]
    return pa.array([*sent, good % len(sent)], pa.large_binary())


@QUICK
@given(st.lists(messages("calls"), max_size=6))
@example([b"", None, b"\n", b"{}{}", b'{"sid": 1}\n{"sid": 2}', b"[{}, {}]"])
def test_every_message_is_one_row_in_its_place(others: list[bytes | None]) -> None:
    values = _numbered(b'{"sid": "%d"}', others)
    decoded = decoder("calls").decode(values)
    assert len(decoded) == len(decoded.unnamed) == len(values)
    assert decoded.fields["sid"].text.to_pylist()[::2] == [str(row) for row in range(0, len(values), 2)]
    assert not decoded.malformed[::2].any()


def test_a_batch_of_nothing_is_no_rows() -> None:
    for empty in (pa.array([], pa.large_binary()), pa.array([b"{}", b"{}"], pa.large_binary()).slice(2)):
        assert len(decoder("calls").decode(empty)) == 0
    decoded = decoder("calls").decode(pa.array([], pa.large_binary()))
    assert {len(raw) for raw in decoded.fields.values()} == {0}


def test_bytes_that_belong_to_a_null_are_no_message() -> None:
    offsets, content = pa.py_buffer(np.array([0, 14, 28], np.int64)), pa.py_buffer(b'{"sid": "abc"}' * 2)
    values = pa.Array.from_buffers(pa.large_binary(), 2, [pa.py_buffer(b"\x02"), offsets, content])
    decoded = decoder("calls").decode(values)
    assert decoded.malformed.tolist() == [True, False]
    assert decoded.fields["sid"].text.to_pylist() == [None, "abc"]


@pytest.mark.parametrize(
    "sent",
    [
        b'{"' + b'", "'.join(b'u%d": 1, "sid": "x' % n for n in range(100)) + b'": 1}',
        b'{"sid": "x", ' + b", ".join(b'"status": %d' % n for n in range(100)) + b"}",
        b'{"' + b"\\u0073" * 1_000 + b'": 1, "\\u0073id": "x"}',
        b'{"sid": "x", "' + "\U0001f600".encode() * 400 + b'": 1}',
    ],
    ids=["many unnamed", "many repeated", "a long name of escapes", "a long name"],
)
def test_names_that_nobody_expects_are_read_like_any(sent: bytes) -> None:
    found = decoder("calls").decode(pa.array([sent, sent, b"{}", sent], pa.large_binary()))
    assert as_lists(found) == read_slowly(contracts()["calls"], [sent, sent, b"{}", sent])


@pytest.mark.skipif(not COMPILED, reason="there is no machine code")
def test_machine_code_counts_no_references(monkeypatch: pytest.MonkeyPatch) -> None:
    """The private option that leaves them out (`compiled.py`) still does: counts cost five times the scan."""
    fresh = compiled_again(scan._scan)
    monkeypatch.setattr(scan, "_scan", fresh)
    decoder("calls").decode(pa.array([b"{}"], pa.large_binary()))
    [code] = fresh.inspect_asm().values()
    assert "after_string" in code or len(code) > 10_000
    assert re.search("NRT_(inc|dec)ref", code) is None


def compiled_again(function: Any) -> Any:
    """Not from the cache, whose code can't be looked at."""
    return numba.njit(nogil=True, _nrt=False)(function.py_func)


@pytest.mark.parametrize("source", SOURCES)
def test_damaged_messages_are_read_as_the_reference_reads_them(source: str) -> None:
    assert difference(source, 2_000 if COMPILED else 100, seed=7) is None


@pytest.mark.skipif(not COMPILED, reason="this is it")
def test_all_of_this_holds_in_the_interpreter_where_an_index_out_of_bounds_is_an_error() -> None:
    command = [sys.executable, "-m", "pytest", str(Path(__file__)), "-p", "no:randomly", "-x"]
    done = subprocess.run(
        command, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]

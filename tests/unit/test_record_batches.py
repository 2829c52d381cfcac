"""Kafka's batches become what was sent, in pieces of bounded size, whatever they decompress to."""

import base64
import gzip
import json
import subprocess
import sys
from typing import Any

import cramjam
import lz4.frame
import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from streams.worker import record_batches
from streams.worker.columnar import ColumnRecords
from streams.worker.record_batches import CUT, BoundedRecords, encode_varint, pieces

Record = tuple[int, int, bytes | None, bytes | None, list[tuple[str, bytes]]]
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def batch(records: list[Record], codec: str = "none", first: int = 0) -> bytes:
    """A batch as a producer makes it, at an offset of the log."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=CODECS[codec], is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1 << 30,
    )  # fmt: skip
    for offset, timestamp, key, value, headers in records:
        assert builder.append(offset, timestamp, key, value, headers) is not None
    built = bytearray(builder.build())
    built[:8] = first.to_bytes(8, "big")
    return bytes(built)


def read(data: bytes) -> list[Record]:
    """What aiokafka makes of the pieces, one after the other, as its fetcher does."""
    found, records, following = [], BoundedRecords(data), 0
    while records.has_next():
        one = records.next_batch()
        assert one.base_offset >= 0
        found += [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in one if r.offset >= following]
        following = one.next_offset
    return found


def columnar(data: bytes, first: int = 0, aborted: Any = ()) -> ColumnRecords:
    """A fetch of a partition, as the worker reads it."""
    return ColumnRecords(TopicPartition("t", 0), BoundedRecords(data), aborted, first, None, None, False, 1)


def all_of(records: ColumnRecords, enough_bytes: int) -> list[Record]:
    """What comes in pieces, one after the other."""
    found, more = [], True
    while more:
        piece, more = records.take(enough_bytes)
        assert piece["timestamps"].tolist() == [at * 1000 for at in (piece["timestamps"] // 1000).tolist()]
        headers = [None] * len(piece["offsets"]) if piece["headers"] is None else piece["headers"].to_pylist()
        for offset, at, key, value, told in zip(
            piece["offsets"].tolist(), piece["timestamps"].tolist(), piece["keys"].to_pylist(), piece["values"].to_pylist(),
            headers, strict=True,
        ):  # fmt: skip
            listed = [(name, base64.b64decode(data)) for name, data in json.loads(told)] if told else []
            found.append((offset, at // 1000, key, value, listed))
    return found


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of 1,000 bytes, and messages of at most 400."""
    monkeypatch.setattr(record_batches, "PIECE_BYTES", 1000)
    monkeypatch.setattr(record_batches, "_CHUNK_BYTES", 64)
    monkeypatch.setattr(record_batches, "_KEPT_BYTES", 200)
    monkeypatch.setattr(BoundedRecords, "message_bytes", 400)


VALUES = st.none() | st.binary(max_size=300) | st.integers(0, 340).map(lambda n: b"x" * n)
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=5)), max_size=2)
SENT = st.lists(st.tuples(st.none() | st.binary(max_size=20), VALUES, HEADERS), min_size=1, max_size=40)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.usefixtures("small")
@given(sent=SENT, gaps=st.lists(st.integers(0, 3), min_size=40, max_size=40), first=st.integers(0, 2**40))
def test_a_batch_gives_its_records_whatever_its_size(codec: str, sent: list[Any], gaps: list[int], first: int) -> None:
    offset, records = 0, []
    for (key, value, headers), gap in zip(sent, gaps, strict=False):
        headers = headers if len(value or b"") < 250 else []
        records.append((offset, 1_700_000_000_000 + offset, key, value, headers))
        offset += 1 + gap
    data = batch(records, codec, first)
    wanted = [(first + r[0], *r[1:]) for r in records]
    assert read(data) == wanted
    assert read(data + data[: len(data) // 2]) == wanted  # a fetch ends within a batch
    for enough in (1, 500, 1_000_000):
        assert all_of(columnar(data + data[:40]), enough) == wanted
    begun = columnar(data, wanted[len(wanted) // 2][0])
    assert all_of(begun, 100) == wanted[len(wanted) // 2 :]
    assert begun.next_fetch_offset == wanted[-1][0] + 1
    for piece in pieces(data, 400):
        assert len(piece) <= 1000 + 400 + 61


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.usefixtures("small")
def test_a_message_that_is_too_long_is_cut_and_says_so_and_its_neighbours_are_whole(codec: str) -> None:
    records: list[Record] = [
        (0, 1, b"a", b"before", []),
        (1, 2, b"k", b'{"sid": "' + b"x" * 100_000, [("h", b"v")]),
        (2, 3, b"k" * 5_000, b"y" * 10, []),
        (3, 4, b"z", b"after", [("h", b"v")]),
    ]
    found = read(batch(records, codec))
    assert (found[0], found[3]) == (records[0], records[3])
    offset, timestamp, key, value, headers = found[1]
    assert (offset, timestamp, key) == (1, 2, b"k")
    assert value is not None
    assert records[1][3] is not None
    assert records[1][3].startswith(value)
    assert 100 < len(value) <= 200
    assert headers[0][0] == CUT
    assert int(headers[0][1]) > 100_000
    assert (found[2][0], found[2][2], found[2][3], found[2][4][0][0]) == (2, None, b"", CUT)


@pytest.mark.parametrize("codec", CODECS)
def test_a_header_whose_name_is_no_text_is_read_with_signs_in_its_place(codec: str) -> None:
    """aiokafka can't read it, and Kafka takes it: it would stop its partition for good."""
    sent: list[Record] = [(n, 7, b"k", b"v", [("name", b"x")] if n in (3, 5) else []) for n in range(6)]
    builder = bytearray(batch(sent, "none"))
    at = builder.index(b"name")
    builder[at : at + 4] = b"n\xffm\xfe"
    payload = {
        "none": bytes, "gzip": gzip.compress, "lz4": lz4.frame.compress, "zstd": zstd.compress,
        "snappy": lambda data: bytes(cramjam.snappy.compress_raw(data)),
    }[codec](bytes(builder[61:]))  # fmt: skip
    header = list(record_batches._HEADER.unpack_from(builder))
    header[1], header[5] = 49 + len(payload), CODECS[codec]
    data = bytearray(record_batches._HEADER.pack(*header) + payload)
    data[17:21] = calc_crc32c(bytes(data[21:])).to_bytes(4, "big")
    piece, more = columnar(bytes(data)).take(1_000_000)
    assert (list(piece["offsets"]), more) == ([0, 1, 2, 3, 4, 5], False)
    told = json.loads(piece["headers"][3].as_py())
    assert told == [["n\ufffdm\ufffd", base64.b64encode(b"x").decode()]]


def record(delta: bytes, value: bytes = b"v", later: bytes = b"\0", headers: bytes = b"\0") -> bytes:
    """A record as a producer may write it, which the broker does not look at more closely than this."""
    body = b"\0" + later + delta + encode_varint(-1) + encode_varint(len(value)) + value + headers
    return encode_varint(len(body)) + body


def raw_batch(records: list[bytes], first: int = 100) -> bytes:
    """A batch of such records, with its checksum."""
    body, last = b"".join(records), len(records) - 1
    header = [first, 49 + len(body), 0, 2, 0, 0, last, 1_000, 1_000, -1, -1, -1, len(records)]
    made = bytearray(record_batches._HEADER.pack(*header) + body)
    made[17:21] = calc_crc32c(bytes(made[21:])).to_bytes(4, "big")
    return bytes(made)


NEXT = raw_batch([record(encode_varint(0), b"next")], 103)


@pytest.mark.parametrize(
    ("deltas", "wanted"),
    [
        ([0, 1, 2], [100, 101, 102]), ([0, 0, 0], [100]), ([2, 1, 0], [102]), ([2**31 - 1, 1, 2], [101, 102]),
        ([0, 1, 2**31 - 1], [100, 101]), ([-5, 1, 1], [101]),
    ],
)  # fmt: skip
def test_offsets_only_ever_grow_within_their_batch_whatever_records_say(deltas: list[int], wanted: list[int]) -> None:
    """The broker does not look at them where a batch is not compressed."""
    data = raw_batch([record(encode_varint(delta), b"%d" % delta) for delta in deltas]) + NEXT
    for enough in (1, 1_000_000):
        held = columnar(data, 100)
        found = all_of(held, enough)
        assert [r[0] for r in found] == [*wanted, 103]
        assert held.next_fetch_offset == 104


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
@pytest.mark.usefixtures("small")
def test_a_piece_of_a_batch_ends_where_its_batch_does(codec: str) -> None:
    deltas = [0, 2**31 - 1, 1, 2, 5, 4, 2**30, 7, 8, 9]
    plain = raw_batch([record(encode_varint(delta), b"x" * 300) for delta in deltas])
    header = list(record_batches._HEADER.unpack_from(plain))
    packed = gzip.compress(plain[61:]) if codec == "gzip" else zstd.compress(plain[61:])
    header[1], header[5] = 49 + len(packed), CODECS[codec]
    made = bytearray(record_batches._HEADER.pack(*header) + packed)
    made[17:21] = calc_crc32c(bytes(made[21:])).to_bytes(4, "big")
    held = columnar(bytes(made), 100)
    found = [r[0] for r in all_of(held, 1_000_000)]
    assert found == sorted(set(found))
    assert held.next_fetch_offset == 110


def test_numbers_are_read_as_kafka_reads_them() -> None:
    """Java takes ten bytes for a time, and of a 32-bit number's fifth byte only the bits that fit."""
    longest = b"\x80" * 9 + b"\0"
    found = all_of(columnar(raw_batch([
        record(encode_varint(0), later=longest), record(b"\x82\x80\x80\x80\x10"), record(encode_varint(2)),
    ]) + NEXT, 100), 1_000_000)  # fmt: skip
    assert [(r[0], r[1]) for r in found] == [(100, 1_000), (101, 1_000), (102, 1_000), (103, 1_000)]
    far = all_of(columnar(raw_batch([record(encode_varint(0), later=encode_varint(-(2**62)))]), 100), 1_000)
    assert far == [(100, -1, None, b"v", [])]


def test_what_stands_before_a_bad_record_is_given_and_the_position_is_behind_it() -> None:
    headers = b"\x02" + encode_varint(1) + b"h" + encode_varint(1) + b"x"
    held = columnar(
        raw_batch([record(encode_varint(0), headers=headers), b"\x10\0\0\xff", record(encode_varint(2))]), 100
    )
    piece, more = held.take(1_000_000)
    assert (piece["offsets"].tolist(), more, held.next_fetch_offset) == ([100], True, 101)
    assert json.loads(piece["headers"][0].as_py()) == [["h", "eA=="]]
    with pytest.raises(CorruptRecordException):
        held.take(1_000_000)


@given(st.binary(max_size=120), st.integers(0, 60))
def test_rubbish_behind_a_good_header_is_told_as_that(body: bytes, cut: int) -> None:
    held = columnar(raw_batch([record(encode_varint(0)), body])[: 61 + cut + len(body)], 100)
    try:
        while held.take(50)[1]:
            pass
    except CorruptRecordException:
        pass
    assert 100 <= held.next_fetch_offset <= 102


def test_more_headers_than_anybody_has_are_cut_with_a_word() -> None:
    records: list[Record] = [(0, 1, b"k", b"v", [("", b"")] * 5_000)]
    piece, _ = columnar(batch(records, "zstd")).take(1_000_000)
    told = json.loads(piece["headers"][0].as_py())
    assert len(told) == 1_001
    assert told[-1] == [CUT, base64.b64encode(b"5000 headers").decode()]


@given(st.binary(max_size=300), st.sampled_from(list(CODECS)), st.integers(0, 400), st.integers(0, 255))
def test_a_batch_that_was_damaged_is_told_as_that(rubbish: bytes, codec: str, at: int, byte: int) -> None:
    data = bytearray(batch([(0, 1, b"k", b"v" * 100, []), (1, 2, None, rubbish, [])], codec))
    at = 21 + at % (len(data) - 21)
    if data[at] == byte:
        byte ^= 1
    data[at] = byte
    with pytest.raises(CorruptRecordException):
        read(bytes(data))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_batch_end_in_a_word(data: bytes) -> None:
    try:
        read(data)
    except CorruptRecordException:
        pass
    except (ValueError, AssertionError):
        assert data[16:17] < b"\x02"  # aiokafka's own reader of the old formats


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
@pytest.mark.usefixtures("small")
def test_what_can_not_be_decompressed_is_the_batchs_fault(codec: str) -> None:
    """Its checksum is right: whoever sent it computed it over rubbish."""
    header = bytearray(batch([(0, 1, b"k", b"v", [])]))[:61]
    header[22] = CODECS[codec]
    for rubbish in (
        b"",
        b"\x00" * 50,
        b"\x28\xb5\x2f\xfd" + b"\xff" * 20,
        b"\xff" * 100,
        b"\x82SNAPPY\x00" + b"\xff" * 20,
    ):
        with pytest.raises(record_batches._FAULTS):
            list(pieces(bytes(header) + rubbish, 400))


def test_frames_that_follow_on_each_other_are_one_stream() -> None:
    parts = [b"a" * 100, b"b" * 100_000, b""]
    streams = {
        1: b"".join(map(gzip.compress, parts)),
        3: b"".join(map(lz4.frame.compress, parts)),
        4: b"".join(map(zstd.compress, parts)),
        2: b"\x82SNAPPY\x00" + b"\x00" * 8
        + b"".join(len(c := bytes(cramjam.snappy.compress_raw(p))).to_bytes(4, "big") + c for p in parts),
    }  # fmt: skip
    for codec, data in streams.items():
        # what follows and begins no frame is passed over, as Java does: the broker took it
        for more in (b"", b"\x00", b"rest") if codec != 2 else (b"",):
            assert record_batches._take(record_batches._reader(codec, data + more), 1 << 20) == b"".join(parts), codec
    twice = streams[2] + streams[2]
    assert record_batches._take(record_batches._reader(2, twice), 1 << 20) == b"".join(parts) * 2


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_a_batch_of_a_gigabyte_takes_a_few_pieces_of_memory(codec: str) -> None:
    """Packed by hand, as no honest producer does: a record of 1 GB, then a small one."""
    script = """
import gzip, resource, sys, lz4.frame, zlib
from backports import zstd
from streams.worker.record_batches import BoundedRecords, CUT, _HEADER, encode_varint
size = 1 << 30
body = b"\\0" + encode_varint(0) + encode_varint(0) + encode_varint(-1) + encode_varint(size)
head = encode_varint(len(body) + size + 1) + body
small = b"\\0" + encode_varint(0) + encode_varint(1) + encode_varint(-1) + encode_varint(5) + b"small" + b"\\0"
tail = b"\\0" + encode_varint(len(small)) + small
make = {
    "gzip": lambda: zlib.compressobj(9, zlib.DEFLATED, 31),
    "zstd": zstd.ZstdCompressor,
    "lz4": lz4.frame.LZ4FrameCompressor,
}
one = make[sys.argv[1]]()
out = bytearray(one.begin() if sys.argv[1] == "lz4" else b"")
out += one.compress(head)
for _ in range(size >> 20):
    out += one.compress(b" " * (1 << 20))
out += one.compress(tail) + one.flush()
codec = {"gzip": 1, "lz4": 3, "zstd": 4}[sys.argv[1]]
from streams.worker.record_batches import pieces
header = _HEADER.pack(0, 49 + len(out), 0, 2, 0, codec, 1, 1, 1, -1, -1, -1, 2)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from aiokafka.record.default_records import DefaultRecordBatch
found = [r for piece in pieces(header + bytes(out), 16 << 20) for r in DefaultRecordBatch(piece)]
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print([(r.offset, len(r.value), [h[0] for h in r.headers]) for r in found], grown)
assert grown < 100_000, grown  # kB
assert [(r.offset, [h[0] for h in r.headers]) for r in found] == [(0, [CUT]), (1, [])]
assert found[1].value == b"small"
"""
    done = subprocess.run(
        [sys.executable, "-c", script, codec], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr

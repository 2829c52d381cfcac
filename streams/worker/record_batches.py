"""Kafka's record batches in pieces of bounded size, whatever they decompress to.

A batch of 100 kB can hold gigabytes, and aiokafka decompresses a batch as a whole. Here a compressed batch is decompressed as a
stream. What fits into one piece (nearly every batch) goes on as one batch without compression; a larger one as several, cut
between records. A single record longer than the setting LAKEHOUSE_MESSAGE_BYTES is cut itself: its beginning goes on, with a
header that says how long it was, and the rest is passed over. So nothing that a producer sends can fill the memory.

Takes the place of aiokafka's `MemoryRecords`, whose verbs it has. Format: https://kafka.apache.org/documentation/#recordbatch.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cramjam
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from backports import zstd
from lz4.frame import LZ4FrameDecompressor

# Twice what producers put into a batch by default. Each partition may have a piece and what follows it in memory.
PIECE_BYTES = 2 * 1024 * 1024
_MESSAGE_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
# Of a record that is too long so much is kept: enough to see what it is.
_KEPT_BYTES = 64 * 1024
CUT = "lakehouse-cut"
"""The header of a record that was cut; its value is the length that the record had, in digits."""
_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH_AT, _MAGIC_AT, _BEFORE_LENGTH_ENDS = 8, 16, 12
_ATTRIBUTES, _LAST_DELTA, _FIRST_MS, _LAST_MS, _COUNT = 5, 6, 7, 8, 12  # places in _HEADER
_CODEC = 0b111
_NUMBER_BYTES, _TIME_BYTES = 5, 10  # that numbers of 32 and of 64 bits take at most
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_XERIAL = b"\x82SNAPPY\x00"
# Snappy's longest copy is 64 bytes out of 3: who claims more is lying.
_SNAPPY_RATIO = 24
_FAULTS = (
    ValueError, IndexError, EOFError, RuntimeError, OSError, struct.error, zlib.error, zstd.ZstdError,
    cramjam.DecompressionError,
)  # fmt: skip
Read = Callable[[int], bytes]
"""Gives at most so many of the next bytes; none at the end."""


HEADER_BYTES = _HEADER.size


class Header(NamedTuple):
    """Of a batch's header what its records are read by."""

    base: int
    attributes: int
    first_ms: int
    last_ms: int

    @classmethod
    def of(cls, batch: bytes) -> "Header":
        """Of a batch of today's format."""
        fields = _HEADER.unpack_from(batch)
        return cls(fields[0], fields[_ATTRIBUTES], fields[_FIRST_MS], fields[_LAST_MS])


class BoundedRecords:
    """The batches of one fetched partition; `message_bytes` is set once for the process (see the module)."""

    message_bytes = _MESSAGE_BYTES

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._pieces: Iterator[bytes] = iter(())
        self._next: bytes | None = None
        self.current = b""
        """The batch that was given last, without compression."""
        self.holds_window = False
        """Whether a batch is half read whose decompressor may hold much: zstd's window is up to 128 MB."""

    def size_in_bytes(self) -> int:
        """Bytes as they were fetched."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether a whole batch is left; a fetch may end within one."""
        return self._next is not None or self._advance() or self._whole() is not None

    def next_batch(self) -> Any:
        """The next batch, or piece of one, as aiokafka's reader of batches; its checksum was compared already.

        Raises:
            CorruptRecordException: the checksum is another one, or the batch can't be decompressed.
        """
        if not self.has_next():
            return None
        if self._next is not None:
            self.current, self._next = self._next, None
            return DefaultRecordBatch(self.current)
        batch = self._whole()
        assert batch is not None
        self._at += len(batch)
        old = batch[_MAGIC_AT] < 2  # of brokers before 2017
        reader: Any = MemoryRecords(batch).next_batch() if old else DefaultRecordBatch(batch)
        if not reader.validate_crc():
            raise CorruptRecordException("a batch with a wrong checksum")
        if old:
            self.current = _as_new(list(reader))
            return DefaultRecordBatch(self.current)
        if not reader.compression_type and len(batch) <= min(PIECE_BYTES, self.message_bytes):
            self.current = batch
            return reader
        self._pieces = pieces(batch, self.message_bytes)
        self.holds_window = reader.compression_type == _ZSTD
        return self.next_batch()

    def _whole(self) -> bytes | None:
        if len(self._data) - self._at < _BEFORE_LENGTH_ENDS:
            return None
        (length,) = struct.unpack_from(">i", self._data, self._at + _LENGTH_AT)
        end = self._at + _BEFORE_LENGTH_ENDS + length
        return self._data[self._at : end] if length > 0 and end <= len(self._data) else None

    def _advance(self) -> bool:
        """Take the next piece, if there is one; all that goes wrong in it is the batch's fault."""
        try:
            self._next = next(self._pieces, None)
        except _FAULTS as error:
            self._pieces, self.holds_window = iter(()), False
            raise CorruptRecordException(f"a batch that can't be decompressed ({error})") from error
        self.holds_window = self.holds_window and self._next is not None
        return self._next is not None


def pieces(batch: bytes, message_bytes: int) -> Iterator[bytes]:
    """A batch as batches without compression, each of at most PIECE_BYTES and one record.

    Raises:
        ValueError, and what decompressors raise: it is no such batch.
    """
    header = list(_HEADER.unpack_from(batch))
    if not header[_COUNT]:  # compaction left nothing but its offsets
        yield _assembled(header, header[_LAST_DELTA], 0, b"")
        return
    read = _reader(header[_ATTRIBUTES] & _CODEC, batch[_HEADER.size :])
    most = min(PIECE_BYTES, message_bytes)
    head = _take(read, most + 1)
    if len(head) <= most:
        yield _assembled(header, header[_LAST_DELTA], header[_COUNT], head)
        return
    walk = _Walk(read, head)
    del head
    last, count, held = header[_LAST_DELTA], 0, bytearray()
    delta = 0
    for number in range(header[_COUNT]):
        record = walk.record(message_bytes)
        if held and len(held) + len(record) > PIECE_BYTES:
            yield _assembled(header, delta, count, bytes(held))
            held, count = bytearray(), 0
        held += record
        count += 1
        # what a record says of its own offset is a producer's word: never back, and never beyond its batch
        delta = last if number == header[_COUNT] - 1 else min(max(delta, _offset_delta(record)), last)
    if held:
        yield _assembled(header, last, count, bytes(held))


def _take(read: Read, most: int) -> bytes:
    """Up to so many bytes, however small the pieces in which they come."""
    found = bytearray()
    while len(found) < most and (chunk := read(min(_CHUNK_BYTES, most - len(found)))):
        found += chunk
    return bytes(found)


def _assembled(header: list[int], last_delta: int, count: int, records: bytes) -> bytes:
    """A batch of these records, under the header of the one that they come from."""
    fields = list(header)
    fields[1] = _HEADER.size - _BEFORE_LENGTH_ENDS + len(records)
    fields[_ATTRIBUTES] = header[_ATTRIBUTES] & ~_CODEC
    fields[_LAST_DELTA], fields[_COUNT] = last_delta, count
    return _HEADER.pack(*fields) + records


def _as_new(old: list[Any]) -> bytes:
    """Records of a format before 2017 as a batch of today's."""
    base, times = old[0].offset, [-1 if r.timestamp is None else r.timestamp for r in old]
    body = bytearray()
    for r, time in zip(old, times, strict=True):
        record = b"\0" + encode_varint(time - times[0]) + encode_varint(r.offset - base)
        record += _sized(r.key) + _sized(r.value) + encode_varint(0)
        body += encode_varint(len(record)) + record
    last = old[-1].offset - base
    return _assembled(
        [base, 0, 0, 2, 0, 0, last, times[0], max(times), -1, -1, -1, len(old)], last, len(old), bytes(body)
    )


class _Walk:
    """The records of a stream, one after the other."""

    def __init__(self, read: Read, head: bytes) -> None:
        self._read = read
        self._held = bytearray(head)
        self._at = 0

    def record(self, most: int) -> bytes:
        """The next record with its length; a longer one than `most` bytes is cut."""
        length = self._length()
        if length <= most:
            return encode_varint(length) + self._bytes(length)
        kept = self._bytes(min(length, _KEPT_BYTES))
        self._pass_over(length - len(kept))
        return cut_record(kept, length)

    def _length(self) -> int:
        number = self._bytes(1)
        while number[-1] >= 0x80 and len(number) < _NUMBER_BYTES:
            number += self._bytes(1)
        length, _ = decode_varint(number, 0)
        if length < 0:
            raise ValueError("a record of negative length")
        return length

    def _bytes(self, count: int) -> bytes:
        while len(self._held) - self._at < count:
            del self._held[: self._at]
            self._at = 0
            if not (chunk := self._read(_CHUNK_BYTES)):
                raise EOFError("the records end too soon")
            self._held += chunk
        self._at += count
        return bytes(self._held[self._at - count : self._at])

    def _pass_over(self, count: int) -> None:
        while count:
            count -= len(self._bytes(min(count, _CHUNK_BYTES)))


def decode_varint(data: bytes, at: int, most_bytes: int = _NUMBER_BYTES) -> tuple[int, int]:
    """A zigzag number, of which 32 bits count, and the place after it.

    Raises:
        ValueError: it has no end within so many bytes.
    """
    number = shift = 0
    for place in range(at, min(at + most_bytes, len(data))):
        number |= (data[place] & 0x7F) << shift
        if data[place] < 0x80:
            number &= 0xFFFFFFFF
            return (number >> 1) ^ -(number & 1), place + 1
        shift += 7
    raise ValueError("a number without an end")


def encode_varint(number: int) -> bytes:
    """A number in Kafka's zigzag form."""
    left = (number << 1) ^ (number >> 63)
    found = bytearray()
    while left >= 0x80:
        found.append(left & 0x7F | 0x80)
        left >>= 7
    found.append(left)
    return bytes(found)


def _offset_delta(record: bytes) -> int:
    _, at = decode_varint(record, 0)
    _, at = decode_varint(record, at + 1, _TIME_BYTES)
    return decode_varint(record, at)[0]


def cut_record(beginning: bytes, length: int) -> bytes:
    """A record out of the beginning of one that is too long: its key if that is whole, what is there of its value, no headers
    but one that says how long it was."""
    _, at = decode_varint(beginning, 1, _TIME_BYTES)
    _, at = decode_varint(beginning, at)
    head = beginning[:at]
    size, at = decode_varint(beginning, at)
    key = beginning[at : at + size] if size >= 0 else None
    value: bytes | None = b""
    if key is not None and at + size + 10 > len(beginning):  # a length may take ten bytes
        key = None
    else:
        at += max(size, 0)
        size, at = decode_varint(beginning, at)
        value = beginning[at : at + size] if size >= 0 else None
    told = str(length).encode()
    body = head + _sized(key) + _sized(value) + encode_varint(1) + _sized(CUT.encode()) + _sized(told)
    return encode_varint(len(body)) + body


def _sized(data: bytes | None) -> bytes:
    return encode_varint(-1) if data is None else encode_varint(len(data)) + data


def _reader(codec: int, data: bytes) -> Read:
    if codec == _GZIP:
        return _gzip(data)
    if codec == _SNAPPY:
        return _joined(_snappy(data))
    if codec == _LZ4:
        return _framed(LZ4FrameDecompressor, data, b"\x04\x22\x4d\x18")
    if codec == _ZSTD:
        return _framed(zstd.ZstdDecompressor, data, b"\x28\xb5\x2f\xfd")
    if codec:
        raise ValueError(f"no compression has the number {codec}")
    return _joined(iter([data]))


def _gzip(data: bytes) -> Read:
    return _framed(lambda: _Gzip(), data, b"\x1f\x8b")


class _Gzip:
    """zlib's stream in the words of the other two."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail or data, max_length)


def _framed(kind: Callable[[], Any], data: bytes, magic: bytes) -> Read:
    """For decompressors that keep what they have not used yet, of one frame.

    What begins no further frame is passed over, as Java does.
    """
    stream, left = kind(), data

    def read(most: int) -> bytes:
        nonlocal stream, left
        while not stream.eof or (stream.unused_data or b"").startswith(magic):
            if stream.eof:
                left, stream = stream.unused_data, kind()
            found: bytes = stream.decompress(left, max_length=most)
            left = b""
            if found:
                return found
            if stream.needs_input and not stream.eof:
                raise EOFError("the compressed data end too soon")
        return b""

    return read


def _snappy(data: bytes) -> Iterator[bytes]:
    """Blocks of snappy: framed as Java does it (https://github.com/xerial/snappy-java), or one block."""
    if not data.startswith(_XERIAL):
        yield _snappy_block(data)
        return
    at = len(_XERIAL) + 8
    while at + 4 <= len(data):
        if data.startswith(_XERIAL, at):  # streams that follow on each other
            at += len(_XERIAL) + 8
            continue
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if size < 0:
            raise ValueError("a block of negative length")
        yield _snappy_block(data[at : at + size])
        at += size


def _snappy_block(data: bytes) -> bytes:
    if cramjam.snappy.decompress_raw_len(data) > _SNAPPY_RATIO * len(data) + 64:
        raise ValueError("a block that says it is longer than it can be")
    return bytes(cramjam.snappy.decompress_raw(data))


def _joined(blocks: Iterator[bytes]) -> Read:
    held = memoryview(b"")

    def read(most: int) -> bytes:
        nonlocal held
        while not held:
            block = next(blocks, None)
            if block is None:
                return b""
            held = memoryview(block)
        found, held = held[:most], held[most:]
        return bytes(found)

    return read

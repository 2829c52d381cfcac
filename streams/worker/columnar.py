"""A partition's fetch as columns: aiokafka's reader of fetched batches, without its object a record."""

import struct
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException, KafkaError

from streams.bronze import encode_headers
from streams.kernel.records import Records
from streams.worker.record_batches import CUT, HEADER_BYTES, Header, decode_varint

# What rows of so many messages take is bounded, however short these are.
_MOST_RECORDS = 16_384
# Nobody's messages have so many headers; of more the first are kept, and how many there were.
_MOST_HEADERS = 1_000
# The years 1970 to 9999, and -1 for what has no time.
_FIRST_MS, _LAST_MS = -1, 253_402_300_799_999
_FIXED_TIME = 0b1000
# What readers of a batch raise that is none: our own, and aiokafka's of headers, markers and old formats.
_FAULTS = (KafkaError, ValueError, IndexError, SystemError, struct.error)


class ColumnRecords(PartitionRecords):
    """Gives columns where its parent gives records; transactions and positions are its parent's.

    Its batches are `BoundedRecords`.
    """

    _data = b""
    _at = 0
    _header: Header | None = None
    _after = 0
    _fault: Exception | None = None
    next_fetch_offset: int

    def take(self, enough_bytes: int) -> tuple[dict[str, Any], bool]:
        """Some records as columns (see `RawBatch`), and whether there may be more of what was fetched.

        Raises:
            CorruptRecordException: what stands there can't be read; what stood before it was given before.
        """
        if self._fault is not None:
            raise self._fault
        taken = Records(_MOST_RECORDS)
        try:
            while taken.nbytes < enough_bytes and not taken.full:
                if self._header is None and not self._open():
                    return columns(taken), False
                self._read(taken, enough_bytes)
        except _FAULTS as error:
            self._fault = CorruptRecordException(f"a batch that can't be read ({error})")
            if not taken.count:
                raise self._fault from error
        return columns(taken), True

    def _open(self) -> bool:
        """Begin the next batch that has records of ours; False if there is none."""
        while self._records.has_next():
            batch = self._records.next_batch()
            self._after = batch.next_offset
            if not self._is_passed_over(batch):
                self._data, self._at = self._records.current, HEADER_BYTES
                self._header = Header.of(self._data)
                return True
            self.next_fetch_offset = max(self.next_fetch_offset, self._after)
        return False

    def _is_passed_over(self, batch: Any) -> bool:
        """Whether a batch holds markers, or records of a transaction that was given up; as aiokafka decides it."""
        if self._isolation_level == READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)

    def _read(self, taken: Records, enough_bytes: int) -> None:
        header = self._header
        assert header is not None
        fixed = header.last_ms if header.attributes & _FIXED_TIME else -1
        self._at, following = taken.add(
            self._data,
            self._at,
            (self.next_fetch_offset, self._after),
            header.base,
            header.first_ms,
            fixed,
            enough_bytes,
        )
        self.next_fetch_offset = max(self.next_fetch_offset, following)
        if self._at < 0:
            raise ValueError("a record that is none")
        if self._at >= len(self._data):
            # Compaction may have removed a batch's last records: the next one begins behind its own last offset. A piece of a
            # batch may lie before where the fetch began.
            self.next_fetch_offset = max(self.next_fetch_offset, self._after)
            self._header, self._data = None, b""


def columns(taken: Records) -> dict[str, Any]:
    """Records as `RawBatch` wants them."""
    headers = None
    if taken.headers:
        encoded: list[bytes | None] = [None] * taken.count
        for row, data in taken.headers.items():
            encoded[row] = encode_headers(_bounded(data))
        headers = pa.array(encoded, pa.large_binary())
    return {
        "offsets": taken.offsets,
        "timestamps": np.clip(taken.times_ms, _FIRST_MS, _LAST_MS) * 1000,
        "keys": taken.keys,
        "values": taken.values,
        "headers": headers,
    }


@cache
def no_records() -> dict[str, Any]:
    """No records at all."""
    return columns(Records(0))


def _bounded(data: bytes) -> list[tuple[str, bytes]]:
    """Headers, the first of them if they are too many, with a word; none where they can't be read.

    Args:
        data: from their number on.
    """
    try:
        count, at = decode_varint(data, 0)
        found: list[tuple[str, bytes]] = []
        for _ in range(min(count, _MOST_HEADERS)):
            name, at = _sized(data, at)
            value, at = _sized(data, at)
            found.append((name.decode(errors="replace"), value))
    except ValueError as error:
        return [(CUT, f"headers that can't be read: {error}".encode())]
    return [*found, (CUT, f"{count} headers".encode())] if count > len(found) else found


def _sized(data: bytes, at: int) -> tuple[bytes, int]:
    """Bytes that have their length before them, none where it is below zero; and the place after them."""
    size, at = decode_varint(data, at)
    end = at + max(size, 0)
    if end > len(data):
        raise ValueError("a header beyond its record")
    return data[at:end], end

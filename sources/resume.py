"""Remembers how many messages of a file Kafka has acknowledged, so that an interrupted run can go on.

A mark is written only after everything before it was acknowledged. So after a crash, whenever it came, the messages after
the last mark are sent again, and the line finds them to be copies; none is left out.
"""

import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from lakehouse import kafka_access
from lakehouse.settings import settings
from sources.files import MessageFile
from sources.publish import Publisher
from sources.records import key_of_bytes
from sources.s3 import is_object

# What a crash sends twice at most; waiting for the acknowledgements takes about 20 ms each time.
_MARK_S = 1.0
_ANSWER_S = 10


@dataclass(frozen=True)
class Mark:
    """How far a run came with a file.

    Attributes:
        version: of the file; another one has other messages.
        lines_only: how it was read.
        acknowledged: messages at the file's beginning that Kafka has.
        finished: whether these are all.
        command: of the run; a finished file is left out only when the same command goes on.
    """

    file: str
    topic: str
    version: str
    lines_only: bool
    acknowledged: int
    finished: bool
    command: str


class Marks:
    """The marks of a command's files, each a small file in a folder."""

    def __init__(self, folder: Path, topic: str, topic_id: str, command: Sequence[str]) -> None:
        """Open.

        Args:
            folder: where the marks are; made when there is one to write.
            topic: that the files are published to.
            topic_id: of it, so that a topic or cluster made anew gets everything.
            command: source and files as the user wrote them.
        """
        self._folder = folder
        self._topic = topic
        self._topic_id = topic_id
        self._command = hashlib.sha256("\0".join(command).encode()).hexdigest()

    def read(self, file: MessageFile, occurrence: int) -> Mark | None:
        """The mark from which this command goes on; None if it begins at the beginning.

        Args:
            occurrence: how often the same file stands before this one in the command.
        """
        try:
            mark = Mark(**json.loads(self._path(file, occurrence).read_text()))
        except (OSError, ValueError, TypeError):
            return None
        same = (mark.version, mark.lines_only) == (file.version, file.lines_only)
        return mark if same and (not mark.finished or mark.command == self._command) else None

    def write(self, file: MessageFile, occurrence: int, acknowledged: int, finished: bool) -> None:
        """Remember; a file appears whole or not at all."""
        assert file.version is not None
        mark = Mark(file.name, self._topic, file.version, file.lines_only, acknowledged, finished, self._command)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(file, occurrence)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(asdict(mark), indent=1))
        os.replace(partial, path)

    def forget(self, file: MessageFile, occurrence: int) -> None:
        """Begin at the beginning next time."""
        self._path(file, occurrence).unlink(missing_ok=True)

    def _path(self, file: MessageFile, occurrence: int) -> Path:
        name = file.name if is_object(file.name) else os.path.abspath(file.name)
        where = settings().s3_endpoint if is_object(file.name) else ""
        key = "\0".join((self._topic_id, where, name, str(occurrence)))
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


@dataclass
class _Read:
    """A file with its place in the command and the messages that an earlier run sent."""

    file: MessageFile
    occurrence: int
    before: int
    count: int = 0


class ResumedMessages:
    """The messages of files with their keys, after those that an earlier run of the command sent; iterate once.

    Attributes:
        bytes_read: of messages and their line ends, those left out included.
        count: messages read that are to be sent.
        without_key: how many of these have no key.
    """

    def __init__(
        self,
        files: Sequence[MessageFile],
        members: tuple[str, ...],
        marks: Marks,
        from_start: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look up the marks.

        Args:
            members: of a message that hold its key, the first one present.
            from_start: whatever earlier runs sent.
        """
        self.bytes_read = 0
        self.count = 0
        self.without_key = 0
        self._members = members
        self._marks = marks
        self._clock = clock
        self._publisher: Publisher | None = None
        self._handed = 0
        self._current: _Read | None = None
        self._finished: list[_Read] = []
        seen: Counter[str] = Counter()
        self._reads: list[_Read] = []
        for file in files:
            mark = None if from_start or file.version is None else marks.read(file, seen[file.name])
            self._reads.append(_Read(file, seen[file.name], mark.acknowledged if mark else 0))
            seen[file.name] += 1

    @property
    def left_out(self) -> list[tuple[str, int]]:
        """Name and number of messages, of each file that an earlier run came to."""
        return [(read.file.name, read.before) for read in self._reads if read.before]

    def sent_by(self, publisher: Publisher) -> "ResumedMessages":
        """Iterate over this to send them: marks are written while the publisher takes them."""
        self._publisher = publisher
        return self

    def __iter__(self) -> Iterator[tuple[str | None, bytes]]:
        """Keys and messages.

        Raises:
            UsageError: a file is damaged.
            LakehouseError: Kafka did not take some.
        """
        due = self._clock() + _MARK_S
        for read in self._reads:
            self._begin(read)
            messages = iter(read.file)
            for message in islice(messages, read.before):
                self.bytes_read += len(message) + 1
            for message in messages:
                key = key_of_bytes(message, self._members)
                self.bytes_read += len(message) + 1
                self.count += 1
                self.without_key += key is None
                yield key, message
                # the publisher comes back when it has taken that one
                if not self.count % 100 and self._clock() > due:
                    self.mark()
                    due = self._clock() + _MARK_S
            self._end(read)

    def mark(self) -> None:
        """Wait until all is acknowledged, and remember it.

        Raises:
            LakehouseError: Kafka did not take some.
        """
        if self._publisher is None:
            return
        self._publisher.settle()
        for read in self._finished:
            self._marks.write(read.file, read.occurrence, read.before + read.count, True)
        self._finished.clear()
        if self._current is not None and self._current.file.version is not None:
            sent = self._publisher.handed - self._handed
            self._marks.write(self._current.file, self._current.occurrence, self._current.before + sent, False)

    def forget(self) -> None:
        """All is sent: the same command begins at the beginning next time."""
        for read in self._reads:
            if read.file.version is not None:
                self._marks.forget(read.file, read.occurrence)

    def _begin(self, read: _Read) -> None:
        self._current = read
        self._handed = self._publisher.handed if self._publisher else 0

    def _end(self, read: _Read) -> None:
        read.count = self._publisher.handed - self._handed if self._publisher else 0
        self._current = None
        if read.file.version is not None:
            self._finished.append(read)


def topic_id(topic: str) -> str:
    """What Kafka calls a topic inside: another one after it was deleted and made anew, or in another cluster."""
    client = AdminClient(kafka_access.librdkafka(settings()))
    try:
        [asked] = client.describe_topics(TopicCollection([topic]), request_timeout=_ANSWER_S).values()
        return str(asked.result().topic_id)
    except KafkaException:  # a broker that has no ids, or does not let us see them
        return f"{settings().kafka_bootstrap}/{topic}"

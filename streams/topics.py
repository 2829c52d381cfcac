"""Kafka topics from the outside: creating them, their ids, where their logs begin and end."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from catalog.offsets import PartitionId
from lakehouse import kafka_access
from lakehouse.errors import LakehouseError, Retry
from lakehouse.settings import Settings

# below the ten seconds after which a person thinks that a command hangs
_ANSWER_S = 8.0


@dataclass(frozen=True)
class LogRange:
    """What a partition's log holds: offsets from `start` to `end` (the last stable offset), half-open."""

    start: int
    end: int


class Topics:
    """The cluster's topics, as an administrator sees them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._admin = AdminClient(kafka_access.librdkafka(settings))

    def ensure(self, names: Iterable[str]) -> None:
        """Create the topics that are not there.

        Raises:
            Retry: Kafka does not answer.
            LakehouseError: Kafka refuses to create one.
        """
        try:
            known = self._admin.list_topics(timeout=_ANSWER_S).topics
        except KafkaException as error:
            raise self._unreachable(error) from None
        missing = [name for name in names if name not in known]
        if not missing:
            return
        topics = [
            NewTopic(
                name,
                num_partitions=self._settings.kafka_partitions,
                replication_factor=1,
                # the contracts compare an event's time with the time at which Kafka took it
                config={"message.timestamp.type": "LogAppendTime"},
            )
            for name in missing
        ]
        for name, future in self._admin.create_topics(topics, request_timeout=_ANSWER_S).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise LakehouseError(f"Kafka did not create the topic {name}: {error.args[0].str()}.") from None

    def partitions(self, names: Iterable[str]) -> dict[str, list[PartitionId]]:
        """The partitions of each topic that exists, under the id of its present incarnation.

        Raises:
            Retry: Kafka does not answer.
        """
        found: dict[str, list[PartitionId]] = {}
        described = self._admin.describe_topics(TopicCollection(list(names)), request_timeout=_ANSWER_S)
        for name, future in described.items():
            try:
                topic = future.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise self._unreachable(error) from None
            found[name] = [PartitionId(str(topic.topic_id), p.id) for p in topic.partitions]
        return found

    def names(self, topic_ids: Collection[str]) -> dict[str, str]:
        """The present names of those topics that Kafka has, by their ids.

        Raises:
            Retry: Kafka does not answer.
        """
        if not topic_ids:
            return {}
        try:
            known = self._admin.list_topics(timeout=_ANSWER_S).topics
        except KafkaException as error:
            raise self._unreachable(error) from None
        return {
            p.topic_id: name for name, ids in self.partitions(known).items() for p in ids if p.topic_id in topic_ids
        }

    def logs(self, topic: str) -> dict[PartitionId, LogRange]:
        """Where the logs of all partitions of a topic begin and end; nothing if there is no such topic.

        Raises:
            Retry: Kafka does not answer.
        """
        partitions = self.partitions([topic]).get(topic, [])
        return self.log_ranges(topic, partitions) if partitions else {}

    def log_ranges(self, topic: str, partitions: Iterable[PartitionId]) -> dict[PartitionId, LogRange]:
        """Where the logs of a topic's partitions begin and end (read committed).

        Raises:
            Retry: Kafka does not answer.
        """
        wanted = {TopicPartition(topic, p.partition): p for p in partitions}
        bounds = []
        try:
            for spec in (OffsetSpec.earliest(), OffsetSpec.latest()):  # type: ignore[no-untyped-call]
                futures = self._admin.list_offsets(
                    dict.fromkeys(wanted, spec),
                    isolation_level=IsolationLevel.READ_COMMITTED,
                    request_timeout=_ANSWER_S,
                )
                bounds.append({tp.partition: future.result().offset for tp, future in futures.items()})
        except KafkaException as error:
            raise self._unreachable(error) from None
        return {p: LogRange(bounds[0][p.partition], bounds[1][p.partition]) for p in wanted.values()}

    def members(self, group: str) -> dict[str, list[str]]:
        """The members of a consumer group by client id, each with its partitions as `topic[partition]`.

        Raises:
            Retry: Kafka does not answer.
        """
        try:
            told = self._admin.describe_consumer_groups([group], request_timeout=_ANSWER_S)[group].result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return {}
            raise self._unreachable(error) from None
        found: dict[str, list[str]] = {}
        for member in told.members:  # several may have one client id
            places = member.assignment.topic_partitions if member.assignment else ()
            found.setdefault(member.client_id, []).extend(f"{tp.topic}[{tp.partition}]" for tp in places)
        return {name: sorted(places) for name, places in found.items()}

    def _unreachable(self, error: KafkaException) -> Retry:
        return kafka_access.unreachable(self._settings, self._admin, error)

"""What the operator reads from and writes to the log: genesis records, listing records, partitions.

Writes come back only when the broker has acknowledged them all. Reads verify signatures: a record that somebody else
put on the log counts neither as genesis nor as a market.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import ClusterMetadata, OffsetSpec

from glassbook.errors import GlassbookError
from glassbook.topics_admin import admin_client, create_topics
from schemas.authority import open_signed
from schemas.codec import encode
from schemas.commands import Command, Genesis, ListMarket
from schemas.ledger_state import ListedMarket
from schemas.records import SignedCommand, Submitted
from schemas.refusal import Refused
from schemas.topics import ACCOUNTS, ALERTS, CANDLES, DEPTH, ORDERS, TRADES, topics

PATIENCE_S = 30
SYMBOL_TOPICS = (ORDERS, TRADES, DEPTH, CANDLES, ALERTS)
Place = tuple[str, int]
"""Topic and partition."""


class Record(NamedTuple):
    """A record to be written."""

    topic: str
    partition: int
    key: bytes
    signed: SignedCommand


class Listed(msgspec.Struct):
    """The markets of the log up to an offset of `accounts` partition 0, for the log of this Kafka cluster."""

    cluster_id: str
    next_offset: int = 0
    markets: dict[str, ListedMarket] = {}


class OperatorLog:
    """Raises GlassbookError where the broker doesn't answer, and for whatever it says no to."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._admin = admin_client(bootstrap_servers)

    def partitions(self, topic: str) -> int:
        found = self._metadata().topics.get(topic)
        if found is None:
            raise GlassbookError(f"there is no topic {topic} yet: start the exchange with `glassbook up`")
        return len(found.partitions)

    def cluster_id(self) -> str:
        return str(self._metadata().cluster_id)

    def _metadata(self) -> ClusterMetadata:
        try:
            return self._admin.list_topics(timeout=PATIENCE_S)
        except KafkaException as error:
            why = error.args[0].str()
            raise GlassbookError(
                f"no broker answers on {self.bootstrap_servers} ({why}): start one with `glassbook up`"
            ) from None

    def add_order_partitions(self, wanted: int) -> None:
        """Gives `orders`, `trades` and `depth` this many partitions."""
        found = self._metadata().topics[ORDERS].partitions
        replication = len(found[0].replicas)
        create_topics(
            self.bootstrap_servers,
            [topic for topic in topics(1, wanted, replication) if topic.name in SYMBOL_TOPICS],
        )

    # --- reading

    def genesis(self, places: Iterable[Place]) -> dict[Place, SignedCommand]:
        """The genesis record of each of these partitions that has one. It is the first but for what nobody heeds."""
        found: dict[Place, SignedCommand] = {}

        def look(place: Place, message: Message) -> bool:
            opened = _opened(message.value())
            if opened is None or not isinstance(opened[1], Genesis):
                return False
            found[place] = opened[0]
            return True

        self._read(dict.fromkeys(places, 0), look, prefetch_bytes=4096)
        return found

    def listed(self, known: Listed, operator_key: str) -> Listed:
        """The markets as the log has them now, read on from `known` where that is of the same log."""
        ends = self._ends([(ACCOUNTS, 0)])
        cluster_id = self.cluster_id()
        if known.cluster_id != cluster_id or known.next_offset > ends[ACCOUNTS, 0]:
            known = Listed(cluster_id)
        result = Listed(cluster_id, known.next_offset, dict(known.markets))

        def take(place: Place, message: Message) -> bool:
            result.next_offset = (message.offset() or 0) + 1
            # Only one record in a million is a listing: the others need not be decoded.
            opened = _opened(message.value()) if b'"list_market"' in (message.value() or b"") else None
            if opened and isinstance(opened[1], ListMarket) and opened[0].key == operator_key:
                _note(result.markets, opened[1])
            return False

        self._read({(ACCOUNTS, 0): known.next_offset}, take)
        return result

    def _ends(self, places: Iterable[Place]) -> dict[Place, int]:
        asked = {TopicPartition(*place): OffsetSpec.latest() for place in places}
        deadline = time.monotonic() + PATIENCE_S
        while asked:
            try:
                answers = self._admin.list_offsets(asked, request_timeout=PATIENCE_S)
                return {(place.topic, place.partition): future.result().offset for place, future in answers.items()}
            except KafkaException as error:
                # The client goes by what it knew before the broker was away for a moment, and learns of it by asking.
                if error.args[0].code() != KafkaError.FENCED_LEADER_EPOCH or time.monotonic() > deadline:
                    raise GlassbookError(f"the log can't be read: {error.args[0].str()}") from None
                time.sleep(0.1)
        return {}

    def _read(
        self, start: dict[Place, int], take: Callable[[Place, Message], bool], prefetch_bytes: int = 1_048_576
    ) -> None:
        """Feed `take` each partition's records from its offset to its present end, or until `take` says enough."""
        ends = self._ends(start)
        waiting = {place for place, offset in start.items() if offset < ends[place]}
        if not waiting:
            return
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": "glassbook-operator",  # never joined nor committed to: partitions are assigned by hand
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "max.partition.fetch.bytes": prefetch_bytes,
                "log_level": 2,
            }
        )
        deadline = time.monotonic() + PATIENCE_S
        try:
            consumer.assign([TopicPartition(*place, start[place]) for place in waiting])
            while waiting:
                for message in consumer.consume(1000, timeout=0.05):
                    place = (message.topic() or "", message.partition() or 0)
                    if error := message.error():
                        raise GlassbookError(f"{place[0]} partition {place[1]} can't be read: {error.str()}")
                    deadline = time.monotonic() + PATIENCE_S
                    if place in waiting and (take(place, message) or (message.offset() or 0) + 1 >= ends[place]):
                        waiting.remove(place)
                        consumer.incremental_unassign([TopicPartition(*place)])
                if time.monotonic() > deadline:
                    raise GlassbookError(f"{len(waiting)} partitions of the log give no records: see the broker's log")
        finally:
            consumer.close()

    # --- writing

    @cached_property
    def _producer(self) -> Producer:
        # One for all writes: an idempotent producer takes half a second to get its id.
        return Producer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "enable.idempotence": True,
                "acks": "all",
                "message.timeout.ms": PATIENCE_S * 1000,
                "linger.ms": 1,
                "log_level": 2,
            }
        )

    def write(self, records: Sequence[Record]) -> None:
        """Returns when all are acknowledged; raises if one isn't, and then any number of them may be on the log."""
        failures: list[KafkaError] = []
        if records:
            self._producer.list_topics(timeout=PATIENCE_S)  # it must know of partitions added a moment ago

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)

        for topic, partition, key, signed in records:
            while True:
                try:
                    self._producer.produce(topic, encode(Submitted(signed)), key, partition, on_delivery=delivered)
                    break
                except BufferError:
                    self._producer.poll(0.1)
        left = self._producer.flush(PATIENCE_S + 5)
        if failures or left:
            why = failures[0].str() if failures else "no answer"
            raise GlassbookError(
                f"{len(failures) or left} of {len(records)} records were not acknowledged ({why}): run the same"
                " command again, it goes on where it stopped"
            )


def _opened(value: bytes | None) -> tuple[SignedCommand, Command] | None:
    """A signed command whose signature holds; None for every other record."""
    try:
        record = msgspec.json.decode(value or b"", type=Submitted)
        return record.signed, open_signed(record.signed).command
    except (msgspec.DecodeError, UnicodeDecodeError, Refused):
        return None


def _note(markets: dict[str, ListedMarket], listing: ListMarket) -> None:
    """As the stages do: a revision that isn't above the present one changes nothing."""
    known = markets.get(listing.market.symbol)
    if known is None or listing.revision > known.revision:
        markets[listing.market.symbol] = ListedMarket(listing.revision, listing.market)

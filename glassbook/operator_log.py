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
from schemas.commands import (
    AuthoriseHalter,
    Command,
    Genesis,
    HaltMarket,
    ListMarket,
    ResumeMarket,
    decode_command,
)
from schemas.halts import Halt, Halts, HaltState
from schemas.ledger_state import ListedMarket
from schemas.records import SignedCommand, Submitted
from schemas.refusal import Refused
from schemas.topics import ACCOUNTS, ALERTS, CANDLES, DEPTH, ORDERS, TRADES, topics

PATIENCE_S = 30
OTHER_LEADER = {KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH}
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
    """The markets of the log up to an offset of `accounts` partition 0, for the log of this Kafka cluster, and what
    halts them; `halter` is the record that named the last halter."""

    cluster_id: str
    next_offset: int = 0
    markets: dict[str, ListedMarket] = {}
    halts: dict[str, HaltState] = {}
    halter: SignedCommand | None = None

    def standing_halts(self, symbol: str) -> list[Halt]:
        return self.halts[symbol].standing if symbol in self.halts else []

    def authorised(self) -> AuthoriseHalter | None:
        """What the last halter's record says."""
        if self.halter is None:
            return None
        command = decode_command(bytes(self.halter.command))
        assert isinstance(command, AuthoriseHalter)
        return command


_OF_MARKETS = tuple(
    f'"{name}"'.encode() for name in ("list_market", "authorise_halter", "halt_market", "resume_market")
)


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
        result = Listed(cluster_id, known.next_offset, dict(known.markets), dict(known.halts), known.halter)

        def take(place: Place, message: Message) -> bool:
            result.next_offset = (message.offset() or 0) + 1
            value = message.value() or b""
            # Only one record in a million is about a market: the others need not be decoded.
            opened = _opened(value) if any(name in value for name in _OF_MARKETS) else None
            if opened is not None:
                _note(result, opened[0], opened[1], operator_key)
            return False

        self._read({(ACCOUNTS, 0): known.next_offset}, take)
        return result

    def matching(self, places: Iterable[Place], text: bytes) -> dict[Place, list[bytes]]:
        """The values on these partitions, as long as they are now, that hold this text; in the order of the log."""
        found: dict[Place, list[bytes]] = {place: [] for place in places}

        def look(place: Place, message: Message) -> bool:
            value = message.value() or b""
            if text in value:
                found[place].append(value)
            return False

        self._read(self._begins(found), look)
        return found

    def _begins(self, places: Iterable[Place]) -> dict[Place, int]:
        """Each partition's first offset that is still kept."""
        found = self._admin.list_offsets({TopicPartition(*place): OffsetSpec.earliest() for place in places})
        return {(at.topic, at.partition): future.result(PATIENCE_S).offset for at, future in found.items()}

    def _ends(self, places: Iterable[Place]) -> dict[Place, int]:
        asked = {TopicPartition(*place): OffsetSpec.latest() for place in places}
        deadline = time.monotonic() + PATIENCE_S
        while asked:
            try:
                answers = self._admin.list_offsets(asked, request_timeout=PATIENCE_S)
                return {(place.topic, place.partition): future.result().offset for place, future in answers.items()}
            except KafkaException as error:
                # For a moment client and broker know of different leaders: one of them has yet to learn of the last.
                if error.args[0].code() not in OTHER_LEADER or time.monotonic() > deadline:
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


def _note(listed: Listed, signed: SignedCommand, command: Command, operator_key: str) -> None:
    """As the stages do: what they refuse changes nothing."""
    authorised = listed.authorised()
    halter = None if authorised is None else authorised.halter_key
    if isinstance(command, HaltMarket) and signed.key in (operator_key, halter):
        _note_halts(listed, command)
    elif signed.key != operator_key:
        return
    elif isinstance(command, ListMarket):
        known = listed.markets.get(command.market.symbol)
        if known is None or command.revision > known.revision:
            listed.markets[command.market.symbol] = ListedMarket(command.revision, command.market)
    elif isinstance(command, AuthoriseHalter):
        if authorised is None or command.revision > authorised.revision:
            listed.halter = signed
    elif isinstance(command, ResumeMarket):
        _note_halts(listed, command)


def _note_halts(listed: Listed, command: HaltMarket | ResumeMarket) -> None:
    if command.symbol not in listed.markets:
        return
    halts = Halts.restored(listed.halts.get(command.symbol, HaltState(command.symbol)))
    try:
        if isinstance(command, HaltMarket):
            halts.add(Halt(command.halt_id, command.reason, command.time_ms))
        else:
            halts.resume(command.halt_ids)
    except Refused:
        return
    listed.halts[command.symbol] = halts.dump(command.symbol)

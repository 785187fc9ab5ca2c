"""Reads whole topics off a broker into memory, for an audit."""

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from schemas.topics import ACCOUNTS, CANDLES, DEAD_LETTERS, DEPTH, LEDGER, ORDERS, SNAPSHOTS, TRADES
from simulator.audit import Log, LoggedRecord

ALL_TOPICS = (ACCOUNTS, ORDERS, TRADES, DEPTH, LEDGER, CANDLES, DEAD_LETTERS, SNAPSHOTS)
PATIENCE_S = 30.0


def read_topics(bootstrap: str, names: tuple[str, ...] = ALL_TOPICS) -> Log:
    """Every record of these topics, as the plainest of consumers sees them: in order, nothing dropped."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "audit-that-commits-nothing",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }
    )
    try:
        topics = consumer.list_topics(timeout=PATIENCE_S).topics
        places = [(name, partition) for name in names if name in topics for partition in topics[name].partitions]
        log: dict[tuple[str, int], list[LoggedRecord]] = {place: [] for place in places}
        consumer.assign([TopicPartition(name, partition, OFFSET_BEGINNING) for name, partition in places])
        unread = set(places)
        while unread:
            messages = consumer.consume(5000, 0.05) or consumer.consume(1, PATIENCE_S)
            if not messages:
                raise TimeoutError(f"nothing to read within {PATIENCE_S} s from {sorted(unread)}")
            for message in messages:
                place = (str(message.topic()), int(message.partition() or 0))
                error = message.error()
                if error is None:
                    key, value = message.key() or b"", message.value() or b""
                    log[place].append(LoggedRecord(message.timestamp()[1], value, key))
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(place)
                else:
                    raise KafkaException(error)
        return log
    finally:
        consumer.close()

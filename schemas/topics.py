"""Every topic: its name, what it is partitioned by, how long it keeps its records, and who may read it as a stream."""

from msgspec import Struct

ACCOUNTS = "accounts"
ORDERS = "orders"
TRADES = "trades"
DEPTH = "depth"
LEDGER = "ledger"
CANDLES = "candles"
ALERTS = "alerts"
SNAPSHOTS = "snapshots"
DEAD_LETTERS = "dead-letters"

# What the canary judges, and whoever checks the exchange; what causes stands before what is caused.
JUDGED = (ACCOUNTS, ORDERS, TRADES, DEPTH, LEDGER)

# Public topics have one edge a partition: after a crash their writer goes on behind the last record, without a repeat.
PUBLIC_TOPICS = frozenset({TRADES, DEPTH, LEDGER, CANDLES})

SNAPSHOT_PARTITIONS = 8
DAY_MS = 24 * 60 * 60 * 1000


class Topic(Struct, frozen=True):
    """A topic as it must exist on the broker."""

    name: str
    key: str  # what its records' key and partition follow, in words
    partitions: int
    replication: int
    config: dict[str, str]


def topics(account_partitions: int, order_partitions: int, replication: int) -> list[Topic]:
    """All topics. `accounts` and `orders` are kept for ever and never compacted: everything else follows from them."""
    durable = {
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "2" if replication > 1 else "1",
        "unclean.leader.election.enable": "false",
        "max.message.bytes": "1048576",
    }
    kept = durable | {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    month = kept | {"retention.ms": str(30 * DAY_MS)}
    compacted = durable | {
        "cleanup.policy": "compact",
        "segment.bytes": str(64 * 1024 * 1024),
        "segment.ms": str(60 * 60 * 1000),
        "min.cleanable.dirty.ratio": "0.2",
    }
    # Of a forming candle only the last value matters, and a closed one has a key of its own.
    recent = month | {"cleanup.policy": "compact,delete", "segment.bytes": compacted["segment.bytes"]}
    return [
        Topic(ACCOUNTS, "account", account_partitions, replication, kept),
        Topic(ORDERS, "symbol", order_partitions, replication, kept),
        Topic(TRADES, "symbol", order_partitions, replication, kept),
        Topic(DEPTH, "symbol", order_partitions, replication, month),
        Topic(LEDGER, "account", account_partitions, replication, kept),
        Topic(CANDLES, "symbol, interval, bucket; partition of the symbol", order_partitions, replication, recent),
        Topic(ALERTS, "symbol", order_partitions, replication, kept),
        Topic(SNAPSHOTS, "stage, partition, slot, chunk", SNAPSHOT_PARTITIONS, replication, compacted),
        Topic(DEAD_LETTERS, "stage and partition", 1, replication, kept),
    ]

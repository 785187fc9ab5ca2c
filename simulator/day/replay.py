"""Plays a day, or the first part of it, onto `accounts` in signed batches, as fast as the exchange takes it.

Past the gateway, which is measured by `glassbook load`: what a batch of commands looks like on the log is the same. The
player signs as it goes (a command lives a minute at most) and waits whenever the stage that is furthest behind has more
than `MOST_BEHIND` records to read, so that the log holds what the exchange can take and no more.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from msgspec import Struct

from glassbook import groups
from glassbook.client.signer import Signer, now_ms
from glassbook.cluster import STAGES
from glassbook.errors import GlassbookError
from glassbook.settings import Settings
from schemas.batches import members_of_batch
from schemas.codec import encode, trades_decoder
from schemas.commands import MAX_WINDOW_MS, CancelOrder, NewOrder, Side, encode_command
from schemas.market import Terms
from schemas.records import Submitted, Trade
from schemas.signing import BATCH_PREFIX, account_partition, merkle_tree
from schemas.topics import ACCOUNTS, TRADES
from simulator.day.flow import TIMES_IN_FORCE
from simulator.day.rows import Row
from simulator.load.brokers import MARKET_BUY_ROOM, broker_key
from simulator.load.flow import BASKET
from simulator.load.log_span import Places, ends, records
from simulator.load.prepare import Prepared
from simulator.load.watch import Sample, Watch

FOLLOWED = ("ledger", "matcher", "canary")  # what the player waits for
INPUTS = {stage.group: stage.inputs for stage in STAGES if stage.group and stage.name in FOLLOWED}
HOPS = 4  # from a command to its order, that one's report, the report's entry, and its judgement
MOST_BEHIND = 20_000
LOOK_S = 0.05
LOOK_EVERY = 50  # batches
STILL_S = 120.0  # without any progress: the exchange is stuck


class Replayed(Struct):
    """What came of it. Times in seconds of `time.monotonic`."""

    orders: int = 0
    cancels: int = 0
    began: float = 0.0
    sent: float = 0.0
    ended: float = 0.0
    trades: int = 0
    samples: list[Sample] = []

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def commands(self) -> int:
        return self.orders + self.cancels


Show = Callable[[Replayed, Sample | None], None]


def play(settings: Settings, prepared: Prepared, rows: Iterable[Row], longest_s: float, show: Show) -> Replayed:
    """On a running exchange with these markets and brokers. Sends for so long at most, and returns once all that was
    sent has been judged."""
    watch = Watch.of(settings)
    player = Player(settings.bootstrap_servers, prepared, watch)
    watch.start()
    try:
        player.await_all()
        before = ends(settings.bootstrap_servers, [TRADES])
        replayed = Replayed(began=time.monotonic())
        for number, basket in enumerate(baskets(rows)):
            if time.monotonic() - replayed.began > longest_s:
                break
            player.send(basket)
            cancels = sum(row.is_cancel for row in basket)
            replayed.cancels += cancels
            replayed.orders += len(basket) - cancels
            if number % LOOK_EVERY == 0:
                player.wait_for(MOST_BEHIND)
                show(replayed, watch.samples[-1])
        player.flush()
        replayed.sent = time.monotonic()
        player.await_all()
        replayed.ended = time.monotonic()
    finally:
        watch.stop()
    replayed.samples = watch.samples
    replayed.trades = trades_since(settings.bootstrap_servers, before)
    return replayed


def trades_since(bootstrap_servers: str, before: Places) -> int:
    """Repeats, as a stage that died gives them, don't count."""
    decode, last, found = trades_decoder().decode, dict[int, int](), 0
    for placed in records(bootstrap_servers, before, ends(bootstrap_servers, [TRADES])):
        record = decode(placed.value)
        if isinstance(record, Trade) and record.edge_sequence > last.get(placed.partition, 0):
            found, last[placed.partition] = found + 1, record.edge_sequence
    return found


def first_orders(rows: Iterable[Row], most: int | None) -> Iterator[Row]:
    """The rows up to the last of so many new orders."""
    left = most
    for row in rows:
        yield row
        if left is not None and not row.is_cancel:
            left -= 1
            if not left:
                return


def baskets(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """What one broker sends at a stretch, at most `BASKET` commands: one signature."""
    for _, stretch in groupby(rows, key=lambda row: row.broker):
        while basket := list(islice(stretch, BASKET)):
            yield basket


class Player:
    def __init__(self, bootstrap_servers: str, prepared: Prepared, watch: Watch) -> None:
        self._watch, self._run = watch, prepared.run
        self._view = groups.GroupView(bootstrap_servers)
        self._terms = [Terms(market) for market in prepared.markets]
        keys = [broker_key(prepared.seed, prepared.run, number) for number in range(prepared.brokers)]
        self._signers = [Signer(key, prepared.exchange, window_ms=MAX_WINDOW_MS) for key in keys]
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers, "enable.idempotence": True, "acks": "all", "linger.ms": 5,
                "queue.buffering.max.messages": 2 * MOST_BEHIND, "compression.type": "lz4",
            }
        )  # fmt: skip
        self._partitions = len(self._producer.list_topics(ACCOUNTS, timeout=10).topics[ACCOUNTS].partitions)
        self._failed: KafkaError | None = None

    def send(self, basket: Sequence[Row]) -> None:
        """One signed batch."""
        signer = self._signers[basket[0].broker]
        leaves = [encode_command(self._command(signer, row)) for row in basket]
        root, paths = merkle_tree(leaves)
        signature = signer.key.sign(BATCH_PREFIX + root)
        key, partition = signer.account.encode(), account_partition(signer.account, self._partitions)
        for signed in members_of_batch(leaves, paths, signer.key.public, signature):
            self._append(partition, key, encode(Submitted(signed)))

    def _command(self, signer: Signer, row: Row) -> NewOrder | CancelOrder:
        client_order_id = f"{self._run}-{row.order}"
        if row.is_cancel:
            return signer.cancel_order(client_order_id=client_order_id)
        terms, side = self._terms[row.symbol], Side.BUY if row.is_buy else Side.SELL
        quantity = terms.quantity_text(row.lots)
        if row.is_market:
            worth = terms.quote_text(terms.notional_minor(row.price_ticks, row.lots) * MARKET_BUY_ROOM)
            most = worth if row.is_buy else None
            return signer.market_order(terms.symbol, side, quantity, most, client_order_id=client_order_id)
        valid_until_ms = now_ms() + row.lifetime_ms if row.lifetime_ms else None
        return signer.limit_order(
            terms.symbol, side, quantity, terms.price_text(row.price_ticks), client_order_id=client_order_id,
            time_in_force=TIMES_IN_FORCE[row.time_in_force], valid_until_ms=valid_until_ms,
        )  # fmt: skip

    def _append(self, partition: int, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(ACCOUNTS, value, key, partition, on_delivery=self._delivered)
                break
            except BufferError:
                self._producer.poll(LOOK_S)
        self._producer.poll(0)
        self._check()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        self._failed = self._failed or error

    def _check(self) -> None:
        if self._failed is not None:
            raise KafkaException(self._failed)

    def flush(self) -> None:
        self._producer.flush()
        self._check()

    # --- waiting for the exchange

    def wait_for(self, most: int) -> None:
        """Until no stage is further behind than that, as of a look from now on."""
        least, moved = None, time.monotonic()
        while (behind := self._behind()) is None or behind > most:
            if least is None or (behind is not None and behind < least):
                least, moved = behind, time.monotonic()
            if time.monotonic() - moved > STILL_S:
                raise GlassbookError(f"the exchange is {behind} records behind, and has not moved for {STILL_S:.0f} s")
            time.sleep(LOOK_S)

    def await_all(self) -> None:
        """Until every stage has read all that there is now, and what came of it."""
        for _ in range(HOPS):
            ends = groups.ends(self._view, INPUTS)
            since, before = time.monotonic(), ""
            while behind := groups.behind(self._view, INPUTS, ends):
                if behind != before:
                    since, before = time.monotonic(), behind
                if time.monotonic() - since > STILL_S:
                    raise GlassbookError(f"the exchange has not moved for {STILL_S:.0f} s: {behind}")
                time.sleep(LOOK_S)

    def _behind(self) -> int | None:
        """The furthest of those that are waited for, by the newest sample; None where it couldn't be seen."""
        lag = self._watch.samples[-1].lag if self._watch.samples else {}
        return max((lag[stage] for stage in FOLLOWED if stage in lag), default=None)

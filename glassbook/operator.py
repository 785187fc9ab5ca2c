"""The operator of an exchange: owns its key, starts its log with genesis, and brings listings to it.

Everything here can be broken off at any point and done again. What is about to be written is first put into the data
folder, signed, and whoever comes next writes these very bytes again before anything else; a stage that has them already
refuses the copy and nothing changes.

Order of writes: genesis before anything on every partition; then a market's record on its own partition of `orders`,
and only when that is acknowledged on the partitions of `accounts`, so that no order is funded for a market that its
matcher doesn't know.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from glassbook.canary_key import canary_key
from glassbook.client.keys import Key, load_key, save_key
from glassbook.data_folder import DataFolder
from glassbook.errors import GlassbookError
from glassbook.listing import Change, ExchangeTerms, Listing, changes, order_partitions, read_listing
from glassbook.operator_log import Listed, OperatorLog, Place, Record
from glassbook.settings import DEFAULT_LISTING, Settings
from schemas.commands import (
    AuthoriseHalter,
    BustTrade,
    Command,
    Genesis,
    HaltMarket,
    ListMarket,
    ResumeMarket,
    decode_command,
    encode_command,
)
from schemas.ledger_state import ListedMarket
from schemas.records import SignedCommand
from schemas.topics import ACCOUNTS, ORDERS

FIRST_WITH_HALTS = 2  # engine version


class OperatorFolder:
    """What the operator keeps in the data folder. Only `key.json` is irreplaceable."""

    def __init__(self, data_dir: Path) -> None:
        self.root = data_dir / "operator"
        self.key_file = self.root / "key.json"
        self.genesis_file = self.root / "genesis.json"
        self.pending_file = self.root / "pending.json"  # listing records signed, but not known to be on every partition
        self.listed_file = self.root / "listed.json"  # what the log said last: saves reading it from the start

    def key(self) -> Key:
        """The operator's key. Raises if there is none."""
        if not self.key_file.exists():
            raise GlassbookError(
                f"there is no operator key {self.key_file}: it is made by the first `glassbook up` on this data folder"
            )
        return load_key(self.key_file)

    def make_key(self) -> Key:
        """The operator's key, made if this is the first start."""
        if not self.key_file.exists():
            save_key(self.key_file, Key.new())
        return load_key(self.key_file)

    def write(self, path: Path, content: object) -> None:
        """Whole or not at all, and on the disk when this returns."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(".draft")
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(content))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


# --- the two things that it does


def initialise(settings: Settings, listing_file: Path = DEFAULT_LISTING, log: OperatorLog | None = None) -> None:
    """Give every partition of `accounts` and `orders` its genesis, and a new exchange its first markets.

    On a log that has it all this reads the first record of each partition, and what is new on one.
    """
    folder, log = OperatorFolder(settings.data_dir), log or OperatorLog(settings.bootstrap_servers)
    key = folder.make_key()
    genesis = ensure_genesis(settings, folder, log, key, listing_file)
    finish_pending(folder, log, genesis)
    if not read_listed(folder, log, genesis):
        apply_listing(read_listing(listing_file), folder, log)
    ensure_halter(settings, folder, log, key, genesis)


def apply_listing(listing: Listing, folder: OperatorFolder, log: OperatorLog) -> list[Change]:
    """Bring the log's markets to what the listing says; returns what was written. Nothing is, if anything is wrong."""
    key = folder.key()
    signed_genesis = existing_genesis(log, key)
    genesis = genesis_of(signed_genesis)
    if listing.exchange.domain != genesis.exchange:
        raise GlassbookError(
            f"{listing.path} is for {listing.exchange.domain}, but this exchange is {genesis.exchange}"
        )
    finish_pending(folder, log, genesis)
    partitions = log.partitions(ORDERS)
    found = changes(listing, read_listed(folder, log, genesis), partitions)
    if not found:
        return []
    if order_partitions(listing) > partitions:
        log.add_order_partitions(order_partitions(listing))
    # Looked for even if none was added now: an earlier run may have ended between the one and the other.
    places = [(ORDERS, number) for number in range(log.partitions(ORDERS))]
    with_genesis = log.genesis(places)
    new = [place for place in places if place not in with_genesis]
    _write_genesis(log, signed_genesis, new)
    halter = read_log_of_markets(folder, log, genesis).halter
    if halter is not None:
        log.write([Record(topic, partition, b"", halter) for topic, partition in new])
    now_ms = time.time_ns() // 1_000_000
    commands = [
        ListMarket(exchange=genesis.exchange, revision=revision, market=market, time_ms=now_ms)
        for revision, market in found
    ]
    write_everywhere(commands, folder, log, key, genesis)
    return found


# --- genesis


def ensure_genesis(
    settings: Settings, folder: OperatorFolder, log: OperatorLog, key: Key, listing_file: Path
) -> Genesis:
    """Write genesis to every partition that lacks it: the log's own, else the one that was meant, else a new one."""
    partitions = log.partitions(ACCOUNTS)
    places = _places(log, partitions)
    found = log.genesis(places)
    signed = next(iter(found.values()), None) or _saved_genesis(folder)
    if signed is None:
        terms = exchange_terms(read_listing(listing_file).exchange, settings)
        now_ms = time.time_ns() // 1_000_000
        signed = sign(new_genesis(terms, key.public, partitions, settings.engine_version, now_ms), key)
    genesis = genesis_of(signed)
    if genesis.operator_key != key.public:
        raise GlassbookError(f"this log's operator key is {genesis.operator_key}: put its file at {folder.key_file}")
    if genesis.account_partitions != partitions:
        raise GlassbookError(
            f"accounts has {partitions} partitions, but this exchange was started with {genesis.account_partitions},"
            " which can't change: set GLASSBOOK_ACCOUNT_PARTITIONS back, or start on a new GLASSBOOK_DATA_DIR"
        )
    folder.write(folder.genesis_file, signed)
    _write_genesis(log, signed, [place for place in places if place not in found])
    return genesis


def _write_genesis(log: OperatorLog, signed: SignedCommand, places: Sequence[Place]) -> None:
    log.write([Record(topic, partition, b"", signed) for topic, partition in places])


def existing_genesis(log: OperatorLog, key: Key) -> SignedCommand:
    signed = log.genesis([(ACCOUNTS, 0)]).get((ACCOUNTS, 0))
    if signed is None or signed.key != key.public:
        raise GlassbookError("this log has no genesis by the operator's key: start it with `glassbook up` first")
    return signed


def exchange_terms(terms: ExchangeTerms, settings: Settings) -> ExchangeTerms:
    """The listing's terms, but where the setting was given, it says whether anybody may open an account."""
    if "open_registration" in settings.model_fields_set:
        return msgspec.structs.replace(terms, open_registration=settings.open_registration)
    return terms


def new_genesis(
    terms: ExchangeTerms, operator_key: str, account_partitions: int, engine_version: int, time_ms: int
) -> Genesis:
    return Genesis(
        exchange=terms.domain,
        operator_key=operator_key,
        engine_version=engine_version,
        account_partitions=account_partitions,
        max_open_orders=terms.max_open_orders,
        open_registration=terms.open_registration,
        time_ms=time_ms,
    )


def _places(log: OperatorLog, account_partitions: int) -> list[Place]:
    accounts = [(ACCOUNTS, number) for number in range(account_partitions)]
    return accounts + [(ORDERS, number) for number in range(log.partitions(ORDERS))]


def _saved_genesis(folder: OperatorFolder) -> SignedCommand | None:
    try:
        return msgspec.json.decode(folder.genesis_file.read_bytes(), type=SignedCommand)
    except FileNotFoundError:
        return None


def genesis_of(signed: SignedCommand) -> Genesis:
    genesis = decode_command(bytes(signed.command))
    assert isinstance(genesis, Genesis)
    return genesis


# --- the halter


def ensure_halter(settings: Settings, folder: OperatorFolder, log: OperatorLog, key: Key, genesis: Genesis) -> None:
    """Let the canary of this data folder halt markets, unless somebody was ever named before: then it's the operator's
    to change, by `glassbook halter`."""
    if genesis.engine_version < FIRST_WITH_HALTS or read_log_of_markets(folder, log, genesis).halter is not None:
        return
    halter_key = canary_key(DataFolder(settings.data_dir).canary_key).public
    now_ms = time.time_ns() // 1_000_000
    command = AuthoriseHalter(exchange=genesis.exchange, revision=1, halter_key=halter_key, time_ms=now_ms)
    write_everywhere([command], folder, log, key, genesis)


# --- records about markets


def write_everywhere(
    commands: Sequence[Command], folder: OperatorFolder, log: OperatorLog, key: Key, genesis: Genesis
) -> None:
    """Sign these and write each to all partitions that it concerns; what was broken off before comes first."""
    finish_pending(folder, log, genesis)
    folder.write(folder.pending_file, [sign(command, key) for command in commands])
    finish_pending(folder, log, genesis)


def finish_pending(folder: OperatorFolder, log: OperatorLog, genesis: Genesis) -> None:
    """Write the records about markets that were signed and perhaps not written everywhere, in their order."""
    try:
        pending = msgspec.json.decode(folder.pending_file.read_bytes(), type=list[SignedCommand])
    except FileNotFoundError:
        return
    for records in market_records(pending, genesis.account_partitions, log.partitions(ORDERS)):
        log.write(records)
    folder.pending_file.unlink()


def market_records(
    pending: Sequence[SignedCommand], account_partitions: int, order_partitions: int
) -> list[list[Record]]:
    """What is written, each part acknowledged before the next: every record on its market's partition of `orders`, on
    the partitions of `accounts`, and last on that one from which the markets are read back."""
    to_orders, to_accounts, to_first = [], [], []
    for signed in pending:
        command = decode_command(bytes(signed.command))
        key, partitions = _market_of(command, order_partitions)
        to_orders += [Record(ORDERS, partition, key, signed) for partition in partitions]
        if not isinstance(command, BustTrade):  # the matcher reports it to the accounts
            to_accounts += [Record(ACCOUNTS, partition, key, signed) for partition in range(1, account_partitions)]
            to_first.append(Record(ACCOUNTS, 0, key, signed))
    return [to_orders, to_accounts, to_first]


def _market_of(command: Command, order_partitions: int) -> tuple[bytes, Sequence[int]]:
    """A record's key, and the partitions of `orders` that it concerns."""
    match command:
        case ListMarket():
            return command.market.symbol.encode(), [command.market.partition]
        case BustTrade():
            return command.trade.symbol.encode(), [command.partition]
        case HaltMarket() | ResumeMarket():
            return command.symbol.encode(), [command.partition]
    return b"", range(order_partitions)


def read_listed(folder: OperatorFolder, log: OperatorLog, genesis: Genesis) -> dict[str, ListedMarket]:
    """The markets on the log, and remembers how far it was read."""
    return read_log_of_markets(folder, log, genesis).markets


def read_log_of_markets(folder: OperatorFolder, log: OperatorLog, genesis: Genesis) -> Listed:
    """The markets on the log and what halts them, and remembers how far it was read."""
    try:
        known = msgspec.json.decode(folder.listed_file.read_bytes(), type=Listed)
    except (FileNotFoundError, msgspec.DecodeError):
        known = Listed("")
    listed = log.listed(known, genesis.operator_key)
    folder.write(folder.listed_file, listed)
    return listed


def sign(command: Command, key: Key) -> SignedCommand:
    raw = encode_command(command)
    return SignedCommand(msgspec.Raw(raw), key.public, key.sign(raw))

"""Ways to get a manipulation onto a log: an insider in a stage's place, an edit afterwards, or both together.

Each draws a log from a `Random`, and gives None where that log has no occasion for it.
"""

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.commands import NewOrder, PublishedTrade
from schemas.topics import ORDERS, TRADES
from simulator.canary_edits import Edit, Json
from simulator.canary_insider_outputs import MatchesForged
from simulator.canary_insiders import CorruptMatcher, Insider
from simulator.canary_log import Log, MakeBust, Recording, places
from simulator.interventions import bust_of, intervened
from simulator.workload import Delivery, Workload, keys, make_workload
from stage.partition import Emission

Inject = Callable[[Random], tuple[Log, Workload] | None]

COMMANDS = 60
REPEATED_COMMANDS = 8
ENGINE_VERSIONS = (1, 2, 3, 3)
INTERVENED = 0.7
MOST_PATIENCE = 6


# --- honest logs


def workload_of(random: Random) -> Workload:
    """Random commands, some of which come again. Under the first rules halts are records of no known kind."""
    workload = make_workload(random, COMMANDS, random.choice(ENGINE_VERSIONS))
    if random.random() < INTERVENED:
        workload = intervened(random, workload, made_up_busts=False)
    commands = list(workload.commands)
    for _ in range(REPEATED_COMMANDS):
        place = random.randrange(len(commands))
        commands.insert(random.randrange(place, len(commands)), commands[place])
    return workload._replace(commands=commands)


def honest(random: Random) -> tuple[Log, Workload]:
    workload = workload_of(random)
    return Recording(workload).play(random), workload


# --- ways to inject


def by_insider(core: type[Any]) -> Inject:
    """A corrupt ledger or matcher in place of the real one."""

    def inject(random: Random) -> tuple[Log, Workload] | None:
        workload, insider = workload_of(random), Insider(random.randrange(MOST_PATIENCE))

        def make(partition: int) -> Any:
            return core(partition, insider=insider)

        if issubclass(core, LedgerCore):
            log = Recording(workload, ledger=make).play(random)
        else:
            log = Recording(workload, matcher=make).play(random)
        return (log, workload) if insider.struck and not insider.failed else None

    return inject


def by_edit(edit: Edit) -> Inject:
    def inject(random: Random) -> tuple[Log, Workload] | None:
        log, workload = honest(random)
        edited = edit(log, random)
        return (edited, workload) if edited is not None else None

    return inject


def forged_and_matched(random: Random) -> tuple[Log, Workload] | None:
    """A stranger writes an altered order onto `orders`, and a corrupt matcher takes it for good."""
    workload, insider = workload_of(random), Insider(0)
    forge_at = random.randrange(3, 20)

    def alter(stage: str, partition: int, emissions: list[Emission]) -> list[Emission]:
        nonlocal forge_at
        for emission in emissions:
            if _is_order(emission):
                forge_at -= 1
                if forge_at == 0:
                    recording.append(ORDERS, emission.partition, b"", _enlarged(emission.value))
        return emissions

    recording = Recording(workload, matcher=partial(MatchesForged, insider=insider), alter=alter)
    log = recording.play(random)
    return (log, workload) if insider.struck else None


def let_through_altered(random: Random) -> tuple[Log, Workload] | None:
    """A corrupt ledger passes another order on than the one that was signed; a corrupt matcher takes it."""
    workload, insider = workload_of(random), Insider(0)
    alter_at = random.randrange(1, 12)

    def alter(stage: str, partition: int, emissions: list[Emission]) -> list[Emission]:
        nonlocal alter_at
        result = []
        for emission in emissions:
            if _is_order(emission):
                alter_at -= 1
                if alter_at == 0:
                    emission = emission._replace(value=_enlarged(emission.value))
            result.append(emission)
        return result

    log = Recording(workload, matcher=partial(MatchesForged, insider=insider), alter=alter).play(random)
    return (log, workload) if insider.struck else None


def _is_order(emission: Emission) -> bool:
    value = emission.value
    return emission.topic == ORDERS and b'"command":"new_order"' in value and b'"quantity":"' in value


def _enlarged(order: bytes) -> bytes:
    return order.replace(b'"quantity":"', b'"quantity":"1', 1)


def passed_on_in_another_order(random: Random) -> tuple[Log, Workload] | None:
    """A corrupt ledger holds an order back until the next one has gone, and numbers them as they go."""
    workload = workload_of(random)
    swap_at, held, done = random.randrange(1, 15), {}, []  # type: ignore[var-annotated]

    def alter(stage: str, partition: int, emissions: list[Emission]) -> list[Emission]:
        nonlocal swap_at
        result: list[Emission] = []
        for emission in emissions:
            place = (partition, emission.partition)
            if emission.topic != ORDERS:
                result.append(emission)
            elif place in held:
                first = held.pop(place)
                result += [_renumbered(emission, first.edge_sequence), _renumbered(first, emission.edge_sequence)]
                done.append(place)
            else:
                swap_at -= 1
                if swap_at == 0:
                    held[place] = emission
                else:
                    result.append(emission)
        return result

    log = Recording(workload, alter=alter).play(random)
    return (log, workload) if done else None


def _renumbered(emission: Emission, sequence: int) -> Emission:
    content = json.loads(emission.value) | {"edge_sequence": sequence}
    return emission._replace(value=json.dumps(content, separators=(",", ":")).encode(), edge_sequence=sequence)


# --- busts that should not be


def busted(bust: MakeBust, core: type[CorruptMatcher] | None = None) -> Inject:
    """Each bust is made like this; `core` is a corrupt matcher that has part in it."""

    def inject(random: Random) -> tuple[Log, Workload] | None:
        workload, insider = workload_of(random), Insider(0)

        def make(partition: int) -> MatcherCore:
            return MatcherCore(partition) if core is None else core(partition, insider)

        log = Recording(workload, matcher=make, bust=bust).play(random)
        records = (record for place in places(workload) if place[0] == TRADES for record in log.get(place, ()))
        took = any(record.value.startswith(b'{"record":"trade_busted"') for record in records)
        return (log, workload) if took and not insider.failed else None

    return inject


def of_more(partition: int, trade: PublishedTrade) -> Delivery:
    """The operator takes twice as much back as was traded."""
    quantity, notional = 2 * int(trade.quantity), 2 * Decimal(trade.quote_quantity)
    return bust_of(partition, replace(trade, quantity=str(quantity), quote_quantity=f"{notional:f}"))


def of_no_trade(partition: int, trade: PublishedTrade) -> Delivery:
    """The operator takes a trade back that never was."""
    return bust_of(partition, replace(trade, trade_id=f"{trade.trade_id.rpartition('-')[0]}-99"))


def by_a_stranger(partition: int, trade: PublishedTrade) -> Delivery:
    _, accounts = keys()
    return bust_of(partition, trade, accounts[0])


def sign_another(command: Json) -> Json:
    """The account's owner, who is in on it, signs an order that he never sent."""
    _, accounts = keys()
    key = next(key for key in accounts if key.account == command["account"])
    fields = {name: value for name, value in command.items() if name not in ("command", "nonce")}
    other = msgspec.convert(fields | {"command": "new_order", "nonce": 10**6}, NewOrder)
    (signed,) = key.sign([other])
    found: Json = json.loads(msgspec.json.encode(signed))
    return found

"""Rules that a program lacks: it refuses to start on a log that asks for them, whatever snapshot it finds."""

import pytest

from ledger.core import LedgerCore
from matcher.core import MatcherCore
from schemas.codec import encode
from schemas.commands import Genesis
from schemas.records import Submitted
from stage.engine_version import UnsupportedEngine
from stage.partition import StagePartition, StageStopped
from tests.exchange import Exchange, Signer


def genesis(engine_version: int, signer: Signer, operator: Signer) -> bytes:
    command = Genesis(
        exchange="test", operator_key=operator.key, engine_version=engine_version, account_partitions=1,
        max_open_orders=10, open_registration=True, time_ms=1,
    )  # fmt: skip
    return encode(Submitted(signer.sign(command)))


@pytest.mark.parametrize("core_type", [LedgerCore, MatcherCore])
def test_a_stage_without_the_asked_for_version_stops(core_type):
    operator = Signer(1)
    stage = StagePartition(core_type(0), 0)
    with pytest.raises(UnsupportedEngine, match="version 99"):
        stage.feed(0, 1, genesis(99, operator, operator))
    assert issubclass(UnsupportedEngine, StageStopped)


@pytest.mark.parametrize("core_type", [LedgerCore, MatcherCore])
def test_a_genesis_that_is_not_signed_by_its_operator_starts_nothing(core_type):
    core = core_type(0)
    StagePartition(core, 0).feed(0, 1, genesis(99, Signer(2), Signer(1)))
    assert core.genesis is None


@pytest.mark.parametrize("core_type", [LedgerCore, MatcherCore])
def test_a_snapshot_of_another_version_is_not_restored(core_type):
    exchange = Exchange()
    core = exchange.ledger_core(0) if core_type is LedgerCore else exchange.matcher_core(0)
    dump = encode(core.dump()).replace(b'"engine_version":3', b'"engine_version":99')
    with pytest.raises(UnsupportedEngine):
        core_type(0).restore(dump)

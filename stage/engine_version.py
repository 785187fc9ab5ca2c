"""Which versions of the rules this program has. A record on the log says which one holds."""

from schemas.commands import Genesis
from stage.partition import StageStopped

FIRST_ENGINE = 1
ENGINE_VERSIONS = frozenset({1, 2, 3})  # 2: halts and busts; 3: mandates to cancel all
FIRST_WITH_MANDATES = 3


class UnsupportedEngine(StageStopped):
    """The log asks for rules that this program doesn't have."""


def check_engine_version(version: int) -> None:
    if version not in ENGINE_VERSIONS:
        have = sorted(ENGINE_VERSIONS)
        raise UnsupportedEngine(f"the log asks for engine version {version}; this program has {have}")


def engine_version_of(genesis: Genesis | None) -> int:
    """The version by which a partition's records are read; before its genesis, that of the first rules."""
    return FIRST_ENGINE if genesis is None else genesis.engine_version

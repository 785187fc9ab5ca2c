"""Which versions of the rules this program has. A record on the log says which one holds."""

from stage.partition import StageStopped

ENGINE_VERSIONS = frozenset({1})


class UnsupportedEngine(StageStopped):
    """The log asks for rules that this program doesn't have."""


def check_engine_version(version: int) -> None:
    if version not in ENGINE_VERSIONS:
        have = sorted(ENGINE_VERSIONS)
        raise UnsupportedEngine(f"the log asks for engine version {version}; this program has {have}")

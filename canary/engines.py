"""Which versions of the rules this canary knows. A record on the log says which one holds."""

from schemas.commands import Genesis

FIRST = 1
HALTS_AND_BUSTS = 2  # each is the version that brought them
MANDATES = 3
KNOWN = (FIRST, HALTS_AND_BUSTS, MANDATES)


class UnknownEngine(Exception):
    """The log asks for rules that this canary doesn't have: it can't judge, and says so instead of guessing."""


def check_engine(version: int) -> None:
    if version not in KNOWN:
        raise UnknownEngine(f"the log asks for engine version {version}; this canary knows {list(KNOWN)}")


def version_of(genesis: Genesis | None) -> int:
    """By which rules a partition's records are read; before its genesis, by the first."""
    return FIRST if genesis is None else genesis.engine_version

"""What a stage's process is told.

The supervisor gives every setting to its children as a variable, checked already. To take just these takes no time;
importing what checks them would be half of a stage's start after a crash.
"""

import os
from typing import NamedTuple


class StageSettings(NamedTuple):
    bootstrap_servers: str
    member: str
    session_timeout_ms: int


def stage_settings() -> StageSettings:
    """From the environment; started by hand, from wherever `glassbook.settings` finds them."""
    given = [os.environ.get(f"GLASSBOOK_{name.upper()}", "") for name in StageSettings._fields]
    if all(given):
        bootstrap_servers, member, session_timeout_ms = given
        return StageSettings(bootstrap_servers, member, int(session_timeout_ms))
    from glassbook.settings import read_settings

    settings = read_settings()
    return StageSettings(settings.bootstrap_servers, settings.member, settings.session_timeout_ms)

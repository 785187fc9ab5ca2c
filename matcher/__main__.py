"""`python -m matcher`: one process of the matcher. Start more of them, and Kafka shares the partitions out."""

import sys

from glassbook.settings import Settings
from matcher.core import MatcherCore
from schemas.topics import DEPTH, TRADES
from stage.run import run_stage


def main() -> int:
    settings = Settings()
    return run_stage(
        MatcherCore,
        (TRADES, DEPTH),
        bootstrap=settings.bootstrap_servers,
        member=settings.member,
        session_timeout_ms=settings.session_timeout_ms,
    )


if __name__ == "__main__":
    sys.exit(main())

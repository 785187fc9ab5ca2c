"""`python -m matcher`: one process of the matcher. Start more of them, and Kafka shares the partitions out."""

import sys

from glassbook.stage_settings import stage_settings
from matcher.core import MatcherCore
from schemas.topics import DEPTH, TRADES
from stage.run import run_stage


def main() -> int:
    return run_stage(MatcherCore, (TRADES, DEPTH), **stage_settings()._asdict())


if __name__ == "__main__":
    sys.exit(main())

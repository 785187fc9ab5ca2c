"""`python -m ledger`: one process of the ledger. Start more of them, and Kafka shares the partitions out."""

import sys

from glassbook.stage_settings import stage_settings
from ledger.core import LedgerCore
from schemas.topics import LEDGER
from stage.run import run_stage


def main() -> int:
    return run_stage(LedgerCore, (LEDGER,), **stage_settings()._asdict())


if __name__ == "__main__":
    sys.exit(main())

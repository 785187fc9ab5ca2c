"""`python -m ledger`: one process of the ledger. Start more of them, and Kafka shares the partitions out."""

import sys

from glassbook.settings import Settings
from ledger.core import LedgerCore
from schemas.topics import LEDGER
from stage.run import run_stage


def main() -> int:
    settings = Settings()
    return run_stage(
        LedgerCore,
        (LEDGER,),
        bootstrap=settings.bootstrap_servers,
        member=settings.member,
        session_timeout_ms=settings.session_timeout_ms,
    )


if __name__ == "__main__":
    sys.exit(main())

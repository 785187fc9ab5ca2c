"""`glassbook` with another table of stages: `python -m tests.integration.up_with broker-only up`."""

import sys

from glassbook import cluster
from glassbook.cli import app

TABLES: dict[str, tuple[cluster.Stage, ...]] = {
    "broker-only": (),
    "dying-stage": (cluster.Stage("dying", "tests.integration.no_such_stage"),),
}

if __name__ == "__main__":
    cluster.STAGES = TABLES[sys.argv.pop(1)]
    app()

"""A system of its own for a benchmark: brokers and stages as `glassbook up` starts them, on free ports, in a temporary
folder that goes with it."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from glassbook.cluster import Cluster, Stage
from glassbook.settings import Settings
from simulator.own_system import own_settings


def new_cluster(folder: Path, stages: Sequence[Stage] | None = None, **changes: object) -> Cluster:
    """One broker and these stages (None: all of them) on free ports, not yet started."""
    return Cluster(own_settings(folder, **changes), 1, stages)


@contextmanager
def local_cluster(stages: Sequence[Stage] | None = None, **changes: object) -> Iterator[Cluster]:
    """The same, running, in a temporary folder; stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="glassbook-benchmark-") as folder:
        cluster = new_cluster(Path(folder), stages, **changes)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


@contextmanager
def local_system(stages: Sequence[Stage] | None = (), **changes: object) -> Iterator[Settings]:
    """The settings of such a system."""
    with local_cluster(stages, **changes) as cluster:
        yield cluster.settings

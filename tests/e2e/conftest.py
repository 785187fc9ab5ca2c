"""A whole system, as `glassbook up` starts it, for the end-to-end tests."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from glassbook.cluster import Cluster
from glassbook.page_build import CanNotBuild, build
from simulator.own_system import own_settings
from tests.command_line import run_glassbook

RunCommand = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="package")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running exchange with the default listing. Tests use a market of their own each.

    Its gateway shows the page that is there when it starts.
    """
    with suppress(CanNotBuild):
        build()
    cluster = Cluster(own_settings(tmp_path_factory.mktemp("exchange")))
    cluster.start()
    yield cluster
    cluster.kill()


@pytest.fixture
def glassbook(exchange: Cluster, tmp_path: Path) -> RunCommand:
    """Runs the command line against the exchange, with a key folder of the test's own."""

    def run(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        environment = exchange.settings.environment() | {"GLASSBOOK_KEYS_DIR": str(tmp_path / "keys")}
        return run_glassbook(arguments, environment, timeout_s=timeout)

    return run


@pytest.fixture(scope="session")
def datasets() -> Path:
    """Recorded order flow, which is not part of the project; tests that need it skip where it is absent."""
    default = Path(__file__).parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("GLASSBOOK_DATASETS", default))
    if not (folder / "amzn_orders.csv").exists():
        pytest.skip(f"no recorded order flow in {folder}: set GLASSBOOK_DATASETS to its folder")
    return folder

"""The embedded ClickHouse for the tests that are about it, one for all that only ask and insert; and a small disk."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.embedded_clickhouse import EmbeddedClickHouse


@pytest.fixture(scope="package")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    """Its tables stay: a test makes those that it needs, by names of its own."""
    server = EmbeddedClickHouse(tmp_path_factory.mktemp("embedded"), clickhouse_query_s=5, clickhouse_body_mb=16)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder that is a disk of its own, of the module's `DISK_MB`."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={request.module.DISK_MB}m"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)

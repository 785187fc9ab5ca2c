"""The embedded ClickHouse for the tests that are about it: one for all that only ask and insert."""

from collections.abc import Iterator

import pytest

from tests.integration.embedded_clickhouse import EmbeddedClickHouse


@pytest.fixture(scope="package")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    """Its tables stay: a test makes those that it needs, by names of its own."""
    server = EmbeddedClickHouse(tmp_path_factory.mktemp("embedded"), clickhouse_query_s=5, clickhouse_body_mb=16)
    server.start()
    yield server
    server.stop()

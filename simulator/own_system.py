"""Settings of one more system on this machine: free ports of its own, a data folder of its own."""

import random
import socket
from pathlib import Path

from glassbook.settings import FIRST_EPHEMERAL_PORT, PORT_STEP, Settings

FIRST_PORT = 20000
PORTS_OF_A_CLUSTER = 3 * PORT_STEP
DISK_RESERVE_MB = 64


def own_settings(data_dir: Path, **changes: object) -> Settings:
    """Settings for one more cluster on this machine; its gateway and ClickHouse have the ports below the next's."""
    first = free_ports()
    own: dict[str, object] = {
        "data_dir": data_dir,
        "kafka_port": first,
        "gateway_port": first + PORTS_OF_A_CLUSTER - 1,
        "clickhouse_port": first + PORTS_OF_A_CLUSTER - 2,
        "disk_reserve_mb": DISK_RESERVE_MB,
    }
    return Settings.model_validate(own | changes)


def free_ports() -> int:
    """The first of PORTS_OF_A_CLUSTER free ports, all below those that the system hands out itself."""
    for _ in range(100):
        first = random.randrange(FIRST_PORT, FIRST_EPHEMERAL_PORT - PORTS_OF_A_CLUSTER, PORTS_OF_A_CLUSTER)
        if all(_is_free(port) for port in range(first, first + PORTS_OF_A_CLUSTER)):
            return first
    raise RuntimeError("found no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True

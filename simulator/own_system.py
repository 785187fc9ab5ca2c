"""Settings of one more system on this machine: free ports of its own, a data folder of its own."""

import random
import socket
from collections import deque
from pathlib import Path

from glassbook.settings import FIRST_EPHEMERAL_PORT, PORT_STEP, Settings

FIRST_PORT = 20000
PORTS_OF_A_CLUSTER = 3 * PORT_STEP
CLAIM = PORTS_OF_A_CLUSTER - 1  # the port of a block that says that it is taken
CLAIMS = 8
DISK_RESERVE_MB = 64

_claims: deque[socket.socket] = deque()


def own_settings(data_dir: Path, **changes: object) -> Settings:
    """Settings for one more cluster on this machine; its gateway and ClickHouse have the ports below the next's."""
    first = free_ports()
    own: dict[str, object] = {
        "data_dir": data_dir,
        "kafka_port": first,
        "gateway_port": first + CLAIM - 1,
        "clickhouse_port": first + CLAIM - 2,
        "disk_reserve_mb": DISK_RESERVE_MB,
        "quiet": True,  # nobody trades here who wasn't asked to
    }
    return Settings.model_validate(own | changes)


def free_ports() -> int:
    """The first of PORTS_OF_A_CLUSTER free ports, all below those that the system hands out itself.

    The last blocks handed out are kept from other processes, until their clusters have bound what they need.
    """
    for _ in range(100):
        first = random.randrange(FIRST_PORT, FIRST_EPHEMERAL_PORT - PORTS_OF_A_CLUSTER, PORTS_OF_A_CLUSTER)
        claim = _bound(first + CLAIM)
        if claim is None:
            continue
        if all(_is_free(port) for port in range(first, first + CLAIM)):
            _claims.append(claim)
            if len(_claims) > CLAIMS:
                _claims.popleft().close()
            return first
        claim.close()
    raise RuntimeError("found no free ports")


def _is_free(port: int) -> bool:
    probe = _bound(port)
    if probe is None:
        return False
    probe.close()
    return True


def _bound(port: int) -> socket.socket | None:
    """A socket that has the port, and doesn't listen; None if somebody else has it."""
    probe = socket.socket()
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        probe.close()
        return None
    return probe

"""How any of our HTTP and WebSocket servers is run: uvicorn, with the settings that all of them share."""

import asyncio
import gc
import logging
import signal
import socket

import structlog
import uvicorn
from uvicorn.supervisors import Multiprocess

ACCEPTED_A_ROUND = 32
START_FAILED = 3
FINISH_S = 10  # for requests in flight when the process is told to stop


def serve(
    name: str, factory: str, host: str, port: int, processes: int = 1, ws: type[asyncio.Protocol] | None = None
) -> int:
    """Until told to stop. `factory` is MODULE:FUNCTION, called in each process; `ws` speaks WebSocket, if anything."""
    # aiokafka logs every reconnection attempt; who reads the log says it once himself.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    # uvicorn finishes what is in flight and then raises the signal once more: that must end the process in good order.
    signal.signal(signal.SIGTERM, lambda signum, frame: None)
    structlog.get_logger().info(f"{name} starts", url=f"http://{host}:{port}", processes=processes)
    config = uvicorn.Config(
        factory,
        factory=True,
        host=host,
        port=port,
        workers=processes,
        loop="uvloop",
        http="httptools",
        ws=ws or "none",
        proxy_headers=False,
        access_log=False,
        log_level="warning",
        server_header=False,
        backlog=4096,
        timeout_graceful_shutdown=FINISH_S,
    )
    if processes > 1:
        Multiprocess(config, sockets=listening(config)).run()
        return 0
    server = uvicorn.Server(config)
    server.run(listening(config))
    return 0 if server.started else START_FAILED


def listening(config: uvicorn.Config) -> list[socket.socket]:
    """The same listening socket several times. uvloop accepts one connection of a socket in a round of its loop: with
    long rounds a busy server wouldn't hear for seconds of who has just connected."""
    first = config.bind_socket()
    return [first, *(first.dup() for _ in range(1, ACCEPTED_A_ROUND))]


def keep_garbage_away() -> None:
    """What is held for good is large: looking through it for garbage now and then would cost milliseconds each time."""
    gc.set_threshold(50_000, 20, 100)

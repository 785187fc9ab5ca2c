"""How any of our HTTP and WebSocket servers is run: uvicorn, with the settings that all of them share."""

import asyncio
import gc
import logging
import signal

import structlog
import uvicorn

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
    uvicorn.run(
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
    return 0


def keep_garbage_away() -> None:
    """What is held for good is large: looking through it for garbage now and then would cost milliseconds each time."""
    gc.set_threshold(50_000, 20, 100)

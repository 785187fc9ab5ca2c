"""`python -m benchmarks.baselines.single_process --port N --data FOLDER`: an exchange as a good Python developer builds
it without a log, to compare Glassbook with.

One process: FastAPI on uvicorn and uvloop, everything in memory, every command carried out within its request, what has
changed written to SQLite every 30 ms by a thread of its own. The same client drives it and Glassbook's gateway.

What it leaves out: signatures (nobody checks who sends), nonces and deadlines, answers to repeated commands, amends,
withdrawals, trade keys, mandates, halts, streams, candles, history beyond the last trades, a second look at the fills.
And durability: what was answered in the last 30 ms before a crash, or while a flush is under way, is gone.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI

from benchmarks.baselines.endpoints import Service, now_ms
from benchmarks.baselines.exchange import Exchange
from benchmarks.baselines.store import Store, rows_of
from glassbook.listing import Listing, read_listing

FLUSH_S = 0.03
DATABASE = "exchange.sqlite"
LISTING = Path(__file__).parents[2] / "deploy" / "listing.toml"


def build_app(listing: Listing, data: Path) -> FastAPI:
    """Goes on with what SQLite has in this folder."""
    exchange = Exchange(listing.markets, listing.exchange.max_open_orders)
    store = Store(data / DATABASE)
    store.load(exchange)
    service = Service(exchange, listing.exchange.domain)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store.start()
        flushing = asyncio.create_task(_flush_all(exchange, store))
        yield
        flushing.cancel()
        store.put(rows_of(exchange.take_changes()))
        store.close()

    app = FastAPI(lifespan=lifespan)
    app.router.routes.extend(service.routes())
    return app


async def _flush_all(exchange: Exchange, store: Store) -> None:
    """Without its storage the exchange would go on as if nothing were: so it ends."""
    while store.is_alive():
        await asyncio.sleep(FLUSH_S)
        exchange.expire(now_ms())
        store.put(rows_of(exchange.take_changes()))
    raise SystemExit("the thread that writes to SQLite has ended")


def main(
    port: Annotated[int, typer.Option(min=1, max=65535)],
    data: Annotated[Path, typer.Option(help="Where the database lies; made if it isn't there.")],
    listing: Annotated[Path, typer.Option(help="The markets.")] = LISTING,
) -> None:
    """Serves the baseline on 127.0.0.1 until it is stopped."""
    data.mkdir(parents=True, exist_ok=True)
    app = build_app(read_listing(listing), data)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    uvicorn.run(app, host="127.0.0.1", port=port, loop="uvloop", access_log=False, log_level="warning")


if __name__ == "__main__":
    typer.run(main)

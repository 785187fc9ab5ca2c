"""Our client of the streams, on real connections."""

import pytest

from glassbook.client.streams import Data, Missed, Reconnected, StreamRefused, Streams
from tests.unit.feeds_world import SYMBOL, FeedsWorld, depth, play, trade


def test_the_client_comes_back_and_misses_nothing_in_silence():
    async def scene() -> None:
        world = FeedsWorld()
        async with world.serving() as url:
            streams = Streams(url, [f"trades@{SYMBOL}", f"depth@{SYMBOL}"])
            events = streams.__aiter__()
            snapshot = await anext(events)
            assert isinstance(snapshot, Data) and snapshot.data["type"] == "snapshot"
            world.market.take_trade(trade(1))
            assert isinstance(await anext(events), Data)
            world.desk.send_away(1012, "resync")
            world.market.take_trade(trade(2))
            world.market.take_depth(depth(1, [("10", "1")]))
            assert isinstance(await anext(events), Reconnected)
            assert isinstance(await anext(events), Data)
            assert streams.books[f"depth@{SYMBOL}"].bids() == [("10", "1")]
            world.market.take_trade(trade(3))
            assert await anext(events) == Missed(f"trades@{SYMBOL}", 2, 2)
            third = await anext(events)
            assert isinstance(third, Data) and third.data["sequence"] == 3
            await events.aclose()

    play(scene)


def test_the_client_asks_for_a_new_snapshot_when_it_is_out_of_step():
    async def scene() -> None:
        world = FeedsWorld()
        async with world.serving() as url:
            streams = Streams(url, [f"depth@{SYMBOL}"])
            events = streams.__aiter__()
            await anext(events)
            world.market.depth_frames.publish(b'{"type":"update","first":5,"last":5,"bids":[],"asks":[],"checksum":0}')
            again = await anext(events)
            assert isinstance(again, Data) and again.data["type"] == "snapshot"
            await events.aclose()
            with pytest.raises(StreamRefused, match="UNKNOWN_SYMBOL"):
                await anext(aiter(Streams(url, ["trades@XYZ-USD"])))

    play(scene)

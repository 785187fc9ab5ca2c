"""Whoever connects is heard soon, however much the server has to do."""

import asyncio
import socket

import uvicorn
import uvloop

from glassbook.web_server import ACCEPTED_A_ROUND, listening

CLIENTS = 100


def test_many_who_connected_during_one_round_are_accepted_in_the_next_ones():
    accepted: list[asyncio.BaseTransport] = []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.append(transport)

    async def rounds() -> int:
        loop = asyncio.get_running_loop()
        sockets = listening(uvicorn.Config("unused", host="127.0.0.1", port=0))
        servers = [await loop.create_server(Protocol, sock=one, backlog=CLIENTS) for one in sockets]
        # The loop stands still meanwhile: it is the kernel that lets them in.
        clients = [socket.create_connection(sockets[0].getsockname()) for _ in range(CLIENTS)]
        count = 0
        while len(accepted) < CLIENTS and count <= CLIENTS:
            await asyncio.sleep(0)  # a round
            count += 1
        for client in clients:
            client.close()
        for transport in accepted:
            transport.close()
        for server in servers:
            server.close()
            await server.wait_closed()
        return count

    assert uvloop.run(rounds()) <= 3 * -(-CLIENTS // ACCEPTED_A_ROUND)

"""Play money: for who sits at the machine of a local system, once an account and asset, and for nobody else."""

from typing import Any

import httpx
import pytest

from glassbook.operator import OperatorFolder
from glassbook.settings import Settings, is_loopback
from producers.__main__ import demonstration_key
from schemas.signing import encode_bytes
from tests.exchange import Signer
from tests.unit.gateway_world import GatewayWorld, run

PATH = "/api/v1/demonstration"


class Operator:
    """The exchange's operator as the gateway knows it."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.public = signer.key

    def sign(self, message: bytes) -> str:
        return encode_bytes(self._signer._key.sign(message).signature)


@pytest.fixture
def world() -> GatewayWorld:
    world = GatewayWorld()
    world.gateway.operator = Operator(world.exchange.operator)
    return world


def ask(world: GatewayWorld, method: str, body: Any = None, client: str = "127.0.0.1") -> httpx.Response:
    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(world.app, client=(client, 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            return await http.request(method, PATH, json=body)

    return run(request())


def wanted(signer: Signer, **change: str) -> dict[str, str]:
    return {"root_key": signer.key, "symbol": "ABC-USD"} | change


def test_one_request_opens_the_account_with_both_assets(world):
    me = Signer(77)
    answer = ask(world, "POST", wanted(me))
    assert answer.status_code == 200, answer.text
    assert [one["event"]["event"] for one in answer.json()["done"]] == ["account_registered", "deposited", "deposited"]
    assert {asset: free for asset, (free, _) in world.view.accounts[me.account].balances.items()} == {
        "ABC": "1000",
        "USD": "100000",
    }
    assert world.place(me, "BUY", "10", "9.50").json()["status"] == "OPEN"


def test_asked_again_it_gives_nothing_more(world):
    me = Signer(77)
    for _ in range(3):
        assert ask(world, "POST", wanted(me)).status_code == 200
    assert world.view.accounts[me.account].balances["USD"] == ("100000", "0")


def test_an_account_that_is_open_gets_what_it_lacks(world):
    me = world.exchange.open_account(USD="5")
    world.pump()
    assert ask(world, "POST", wanted(me)).status_code == 200
    assert world.view.accounts[me.account].balances["USD"] == ("100005", "0")


@pytest.mark.parametrize("client", ["192.168.1.7", "10.0.0.1", "2001:db8::1", "testclient"])
def test_nobody_from_another_machine_gets_any(world, client):
    assert ask(world, "GET", client=client).json() == {"offered": False}
    answer = ask(world, "POST", wanted(Signer(77)), client=client)
    assert (answer.status_code, answer.json()["code"]) == (403, "NO_DEMONSTRATION")
    assert Signer(77).account not in world.view.accounts


def test_without_the_operators_key_there_is_none(world):
    assert ask(world, "GET").json() == {"offered": True}
    world.gateway.operator = None
    assert ask(world, "GET").json() == {"offered": False}
    assert ask(world, "POST", wanted(Signer(77))).json()["code"] == "NO_DEMONSTRATION"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"root_key": "ed25519:nonsense", "symbol": "ABC-USD"}, "WRONG_TYPE"),
        ({"root_key": 7, "symbol": "ABC-USD"}, "WRONG_TYPE"),
        ({"root_key": "x"}, "MISSING_FIELD"),
        ({"root_key": "x", "symbol": "ABC-USD", "amount": "1"}, "UNKNOWN_FIELD"),
        ({"root_key": "x", "symbol": "XYZ"}, "UNKNOWN_SYMBOL"),
        ([], "NOT_JSON"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(world, body, code):
    assert ask(world, "POST", body).json()["code"] == code


def test_the_key_is_handed_over_on_a_loopback_address_alone(tmp_path):
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.3.2.1")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.7", "exchange.example")] == [False] * 4
    for changes in ({}, {"gateway_host": "0.0.0.0"}, {"demonstration_accounts": False}):
        assert demonstration_key(Settings(data_dir=tmp_path, **changes)) is None  # there is no key there


def test_the_key_of_the_data_folder_is_used_where_it_may_be(tmp_path):
    key = OperatorFolder(tmp_path).make_key()
    given = demonstration_key(Settings(data_dir=tmp_path))
    assert given is not None
    assert given.public == key.public
    assert demonstration_key(Settings(data_dir=tmp_path, gateway_host="0.0.0.0")) is None
    assert demonstration_key(Settings(data_dir=tmp_path, demonstration_accounts=False)) is None

"""Order latency over the whole path: HTTP request due, gateway, `accounts`, ledger, `orders`, matcher, `accounts`,
ledger, `ledger`, gateway, answer with the order's status and fills.

Runs against a system of its own, or one that runs already (`--url`; its operator's key is looked for in the data folder
of the settings, as `glassbook` does).
"""

import asyncio
import gc
import random
from collections import Counter
from collections.abc import Callable

import msgspec

from benchmarks.local_broker import local_system
from benchmarks.machine import Report, percentile, percentiles
from benchmarks.open_loop import Answer, OpenLoop
from glassbook.client import calls
from glassbook.client.calls import API, Account, Operator
from glassbook.client.keys import Key
from glassbook.client.rest import AsyncClient
from glassbook.client.signer import Signer
from glassbook.operator import OperatorFolder
from glassbook.settings import Settings, read_settings
from schemas.market import Market, MarketState, Terms
from simulator.load.schedule import poisson_arrivals

ORDERS_PER_S = 200
ACCOUNTS = 40
MARKETS = 4
AROUND_TICKS = 5
MOST_LOTS = 20
WARM_UP_S = 20.0
WEALTH_MINOR = 10**17


def run(seconds: float, seed: int, as_json: bool, url: str | None = None, per_s: float = ORDERS_PER_S) -> None:
    report = Report("latency", seed, as_json)
    report.say(
        f"mix      {per_s:g} limit orders/s, Poisson arrivals, open loop; {ACCOUNTS} accounts, up to {MARKETS} markets;"
        f" prices within {AROUND_TICKS} ticks of the middle, so that about half of them trade at once"
    )
    if url is not None:
        figures = asyncio.run(_measure(report, url, read_settings(), seconds, seed, per_s))
    else:
        with local_system(stages=None) as settings:
            figures = asyncio.run(_measure(report, settings.gateway_url, settings, seconds, seed, per_s))
    report.end(figures)


async def _measure(
    report: Report, url: str, settings: Settings, seconds: float, seed: int, per_s: float
) -> dict[str, float]:
    make_order = await _open_accounts(url, settings, seed)
    # A fresh broker answers twice as slowly until Java has compiled what is busy: that takes it some 4,000 orders.
    await OpenLoop(url, f"{API}/orders").run(poisson_arrivals(per_s, WARM_UP_S, seed + 1), make_order)
    gc.collect()
    gc.freeze()
    gc.disable()
    loop = OpenLoop(url, f"{API}/orders")
    answers = await loop.run(poisson_arrivals(per_s, seconds, seed), make_order)
    gc.enable()
    final = [answer for answer in answers if _is_final(answer)]
    times = sorted(answer.took_ms for answer in final)
    report.say(f"from due to final answer: {percentiles(times, 'ms')}")
    report.say(f"outcomes: {_outcomes(answers)}; {loop.connections} connections")
    return {
        "p50_ms": percentile(times, 0.5),
        "p99_ms": percentile(times, 0.99),
        "sent": len(answers),
        "answered": len(final),
    }


def _is_final(answer: Answer) -> bool:
    """200 tells the order's status after the matcher's report; 202 would be an outcome unknown."""
    return answer.status == 200


def _outcomes(answers: list[Answer]) -> str:
    kinds: Counter[str] = Counter()
    for answer in answers:
        document = msgspec.json.decode(answer.body) if answer.body else {}
        kinds[f"{answer.status} {document.get('status') or document.get('code') or ''}"] += 1
    return ", ".join(f"{count:,} × {kind.strip()}" for kind, count in kinds.most_common())


# --- who sends what


async def _open_accounts(url: str, settings: Settings, seed: int) -> Callable[[], bytes]:
    """Registers and funds accounts; returns what makes the next signed order."""
    operator_key = OperatorFolder(settings.data_dir).key()
    async with AsyncClient(url) as client:
        listed = await client.send(calls.markets())
        operator = Operator(operator_key, listed.exchange)
        markets = [item.market for item in listed.markets if item.market.state is MarketState.OPEN][:MARKETS]
        accounts = [Account(Signer(Key.new(), listed.exchange)) for _ in range(ACCOUNTS)]
        assets = {asset for market in markets for asset in (market.base, market.quote)}
        for account in accounts:
            await client.send(operator.register(account.signer.key.public))
        for account in accounts:
            await asyncio.gather(
                *(client.send(operator.deposit(account.id, asset, _wealth(asset, markets))) for asset in sorted(assets))
            )
    terms = [Terms(market) for market in markets]
    draw = random.Random(seed)

    def make_order() -> bytes:
        account, market = draw.choice(accounts), draw.choice(terms)
        side = draw.choice(("BUY", "SELL"))
        price = market.price_text(_middle_ticks(market) + draw.randint(-AROUND_TICKS, AROUND_TICKS))
        lots = market.min_lots * draw.randint(1, MOST_LOTS) * _fold(market)
        order = account.signer.limit_order(market.symbol, side, market.quantity_text(lots), price)
        return msgspec.json.encode(account.signer.sign(order))

    return make_order


def _wealth(asset: str, markets: list[Market]) -> str:
    decimals = next(
        market.base_decimals if market.base == asset else market.quote_decimals
        for market in markets
        if asset in (market.base, market.quote)
    )
    return str(WEALTH_MINOR // 10**decimals)


def _middle_ticks(terms: Terms) -> int:
    """A price that means nothing, well inside the band and far from its ends."""
    return min(10_000, (terms.low_ticks + terms.high_ticks) // 2)


def _fold(terms: Terms) -> int:
    """How often the smallest quantity goes into one that is worth the smallest notional."""
    least = (_middle_ticks(terms) - AROUND_TICKS) * terms.min_lots * terms.notional_unit
    return max(1, -(-terms.min_notional_minor // least))

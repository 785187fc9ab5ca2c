"""All markets that are listed, by symbol and by the partition of `orders` that they are on. Pure."""

from feeds.market import Market


class Markets:
    def __init__(self) -> None:
        self.by_symbol: dict[str, Market] = {}
        self.covered_ms = 0
        self._on_partition: dict[int, dict[str, Market]] = {}

    def get(self, symbol: str) -> Market:
        market = self.by_symbol.get(symbol)
        if market is None:
            market = self.by_symbol[symbol] = Market(symbol, self.covered_ms)
        return market

    def renew(self) -> None:
        """Every market begins anew. Whoever reads its streams has been told to leave."""
        self.by_symbol = {symbol: Market(symbol, self.covered_ms) for symbol in self.by_symbol}
        self._on_partition = {
            partition: {symbol: self.by_symbol[symbol] for symbol in markets}
            for partition, markets in self._on_partition.items()
        }

    def on(self, partition: int, symbol: str) -> Market:
        """The market, which is one of this partition of `orders`."""
        market = self.get(symbol)
        self._on_partition.setdefault(partition, {})[symbol] = market
        return market

    def passed(self, partition: int, time_ms: int) -> None:
        for market in self._on_partition.get(partition, {}).values():
            market.passed(time_ms)

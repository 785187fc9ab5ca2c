"""What a canary says of an exchange that was played in memory, and why it would have refused what was refused."""

from typing import Any

from canary.authority import Opened
from canary.core import Canary
from canary.halts import Halts
from canary.judge import Limits
from canary.steps import Step
from schemas.alerts import Alert, Evidence
from schemas.reasons import Reason
from schemas.topics import JUDGED
from tests.exchange import Exchange
from tests.unit.market_play import SYMBOL, MarketPlay


class Listening:
    """A replica's `decide`, and what it came to for each input."""

    def __init__(self, replica: Any) -> None:
        self.refused: dict[int, Reason | None] = {}
        self._decide = replica.decide
        replica.decide = self

    def __call__(self, step: Step, record: Any, opened: Opened | None, stated: bool, **more: Any) -> Any:
        decided = self._decide(step, record, opened, stated, **more)
        self.refused[step.offset] = decided.refused
        return decided


class Heard:
    """The whole log so far, judged from its beginning."""

    def __init__(self, exchange: Exchange, limits: Limits | None = None) -> None:
        self.canary = Canary(exchange.account_partitions, exchange.order_partitions, limits=limits)
        self._matcher = Listening(self.canary.matchers[0].replica)
        self._ledger = Listening(self.canary.ledgers[0].replica)
        self.alerts = self.told_since(exchange, {})
        judged = self.canary.judged()
        assert judged == {place: len(exchange.cluster.records.get(place, ())) for place in judged}

    def told_since(self, exchange: Exchange, first: dict[tuple[str, int], int]) -> list[Alert]:
        """What it says of the records from these offsets on."""
        alerts: list[Alert] = []
        log = {place: records for place, records in exchange.cluster.records.items() if place[0] in JUDGED}
        for (topic, partition), records in log.items():
            for offset in range(first.get((topic, partition), 0), len(records)):
                record = records[offset]
                alerts += self.canary.feed(topic, partition, offset, record.log_time_ms, record.key, record.value)
        return alerts + self.canary.at_ends(log)

    @property
    def kinds(self) -> list[str]:
        return [alert.kind for alert in self.alerts]

    def proof(self) -> list[Evidence]:
        (alert,) = self.alerts
        return alert.evidence

    def refused_by_matcher(self) -> list[Reason]:
        """Of what lies on the first partition of `orders`, in its order."""
        return [reason for _, reason in sorted(self._matcher.refused.items()) if reason is not None]

    def refused_by_ledger(self) -> list[Reason]:
        return [reason for _, reason in sorted(self._ledger.refused.items()) if reason is not None]

    def halts(self) -> list[Halts]:
        """By the matcher, then by each ledger."""
        found = [self.canary.matchers[0].replica.halts.get(SYMBOL, Halts())]
        return found + [judge.replica.halts_of(SYMBOL) for judge in self.canary.ledgers]


def heard(play: MarketPlay) -> Heard:
    """And nobody is blamed."""
    found = Heard(play.exchange)
    assert found.alerts == []
    return found

"""Whether the exchange sustained a load, and if not, why, in words. Pure.

Sustained: every request was answered (a refusal for a reason of business is an answer), the 99th percentile of each
kind lies below 100 ms, no stage is behind 5 s after the end, nothing acknowledged is lost, and the canary had nothing
to say.
"""

from collections.abc import Mapping

from msgspec import Struct

from simulator.load.mix import Kind
from simulator.load.replies import RATE_LIMITED
from simulator.load.tally import Latency

MOST_P99_MS = 100.0
MOST_SETTLE_S = 5.0
GENERATOR_LATE_MS = 20.0  # p99 from due to handed over
MOST_OTHERS = 0.1
GENERATOR_BUSY = 0.85  # of a core
MOST_UNWANTED = 0.01  # of the orders
# Refusals that make it another load than the one that was meant.
UNWANTED = frozenset({"INSUFFICIENT_FUNDS", "TOO_MANY_OPEN_ORDERS", "MARKET_NOT_OPEN", "NONCE_TOO_OLD", "TOO_OLD"})


class Findings(Struct, kw_only=True):
    """What a run showed. `settle_s` is how long after the end all stages had read what there was; None: not in time."""

    latency: dict[Kind, Latency]
    sent: dict[Kind, int]
    errors: dict[str, int]
    refused: dict[str, int]  # by kind and reason code
    settle_s: float | None
    behind: str = ""  # who was still behind 5 s after the end
    missing: int  # acknowledged, and not accounted for
    alerts: list[str]
    judged: bool  # by the canary, to the end
    late_p99_ms: float
    busy: float  # the generator, as a part of a core, on average of its processes
    others: float = 0.0  # the part of the machine's processor that other programs had


class Verdict(Struct, frozen=True):
    sustained: bool
    reasons: list[str]  # against it; what comes first counts most
    limit: str  # "exchange", "generator", "machine", or "" where it was sustained
    remarks: list[str]


def judge(found: Findings) -> Verdict:
    reasons = [*_lost(found), *_unanswered(found.errors), *_slow(found.latency), *_behind(found), *_unwanted(found)]
    remarks = []
    if found.others > MOST_OTHERS:
        remarks.append(f"other programs had {found.others:.0%} of this machine's processor")
    late = found.late_p99_ms > GENERATOR_LATE_MS
    if late:
        remarks.append(
            f"the generator itself was late: p99 {found.late_p99_ms:.0f} ms from due to handed over, which is part of"
            f" the latencies; each of its processes took {found.busy:.0%} of a core"
        )
    if not reasons:
        return Verdict(True, [], "", remarks)
    if late and not (found.missing or found.alerts):
        busy = found.busy >= GENERATOR_BUSY
        remarks.append(_AT_ITS_LIMIT if busy else _NO_PROCESSOR_LEFT)
        return Verdict(False, reasons, "generator" if busy else "machine", remarks)
    return Verdict(False, reasons, "exchange", remarks)


_AT_ITS_LIMIT = "so this says nothing of the exchange: give it more --processes, or another machine"
_NO_PROCESSOR_LEFT = "so the machine has no processor time left: generator and exchange share it"


def in_words(verdict: Verdict) -> str:
    if verdict.sustained:
        return "SUSTAINED"
    return f"NOT SUSTAINED (limit: {verdict.limit}): {'; '.join(verdict.reasons)}"


def _lost(found: Findings) -> list[str]:
    reasons = []
    if found.missing:
        reasons.append(f"{found.missing:,} acknowledged commands are not accounted for")
    if found.alerts:
        reasons.append(f"the canary said {len(found.alerts)} times that something is wrong or late")
    if not found.judged:
        reasons.append("the canary has not judged to the end")
    return reasons


def _unanswered(errors: Mapping[str, int]) -> list[str]:
    if not errors:
        return []
    by_reason = ", ".join(
        f"{count:,} × {reason}" for reason, count in sorted(errors.items(), key=lambda item: -item[1])
    )
    cure = ""
    if RATE_LIMITED in errors:
        cure = (
            " (the gateway allows so many requests of an address and commands of an account a second:"
            " start the exchange with higher GLASSBOOK_RATE_PER_ADDRESS and GLASSBOOK_RATE_PER_ACCOUNT)"
        )
    return [f"{sum(errors.values()):,} requests were not answered: {by_reason}{cure}"]


def _slow(latency: Mapping[Kind, Latency]) -> list[str]:
    return [
        f"p99 of {kind}s is {of.p99_ms:,.0f} ms"
        for kind, of in latency.items()
        if of.count and of.p99_ms >= MOST_P99_MS
    ]


def _behind(found: Findings) -> list[str]:
    if found.settle_s is not None and found.settle_s <= MOST_SETTLE_S:
        return []
    until = "never" if found.settle_s is None else f"only after {found.settle_s:.0f} s"
    return [f"stages were behind {MOST_SETTLE_S:.0f} s after the end ({found.behind}), done {until}"]


def _unwanted(found: Findings) -> list[str]:
    refused = {
        code: count
        for code, count in ((name.partition(" ")[2], count) for name, count in found.refused.items())
        if code in UNWANTED
    }
    orders = found.sent.get(Kind.ORDER, 0)
    if sum(refused.values()) <= MOST_UNWANTED * orders:
        return []
    cure = ""
    if "TOO_MANY_OPEN_ORDERS" in refused:
        cure = " (max_open_orders is fixed at an exchange's genesis: take more --brokers)"
    by_code = ", ".join(f"{count:,} × {code}" for code, count in refused.items())
    return [f"too many orders were refused for this to be the load that was meant: {by_code}{cure}"]

"""A result as a document: the one line for programs, and the whole for a JSON file. Pure."""

from typing import Any

from msgspec import structs

from simulator.load.mix import Kind
from simulator.load.result import Result
from simulator.load.tally import latency
from simulator.load.verdict import in_words


def summary(result: Result) -> dict[str, Any]:
    """What `--json` prints. Latencies are of new orders."""
    found, orders = result.findings, result.findings.latency[Kind.ORDER]
    cpu_ms = result.cpu_ms_per_order
    return {
        "door": str(result.wanted.door),
        "percent": result.wanted.percent,
        "orders_per_s": round(orders.count / result.seconds, 1) if result.seconds else 0.0,
        "p50_ms": round(orders.p50_ms, 2),
        "p99_ms": round(orders.p99_ms, 2),
        "errors": sum(found.errors.values()),
        "lost": found.missing,
        "sustained": result.verdict.sustained,
        "cpu_ms_per_order": None if cpu_ms is None else round(cpu_ms, 3),
    }


def document(result: Result, machine: str) -> dict[str, Any]:
    """All of it: the summary's keys first."""
    found = result.findings
    return summary(result) | {
        "verdict": in_words(result.verdict),
        "remarks": result.verdict.remarks,
        "machine": machine,
        "seed": result.prepared.seed,
        "run": result.prepared.run,
        "symbols": len(result.prepared.markets),
        "brokers": result.prepared.brokers,
        "seconds": round(result.seconds, 2),
        "warm_up_s": result.wanted.warm_up_s,
        "began_ms": result.began_ms,
        "broken_off": result.broken_off,
        "latency_ms": {kind: structs.asdict(of) for kind, of in found.latency.items()},
        "sent": found.sent,
        "errors_by_reason": found.errors,
        "refused_by_reason": found.refused,
        "acknowledged": result.accounted,
        "not_accounted_for": result.missing[:100],
        "alerts": found.alerts[:100],
        "trades": result.trades,
        "trades_per_order": round(result.trades / max(found.sent.get(Kind.ORDER, 0), 1), 3),
        "settle_s": found.settle_s,
        "cpu_ms_per_order_by_process": {name: round(ms, 3) for name, ms in result.cpu_ms_by_process.items()},
        "others": round(found.others, 3),
        "generator": {
            "processes": result.sent.processes,
            "connections": result.sent.connections,
            "late_p99_ms": round(found.late_p99_ms, 2),
            "cpu_ms_per_order": round(result.generator_ms_per_order, 3),
            "busy": round(found.busy, 3),
        },
        "by_second": _by_second(result),
        "samples": [
            {
                "second": round(sample.at - result.measured_from, 2),
                "lag": sample.lag,
                "cpu_s": {name: round(usage.cpu_s, 2) for name, usage in sample.usage.items()},
                "memory_mb": {name: round(usage.memory_mb, 1) for name, usage in sample.usage.items()},
            }
            for sample in result.samples
        ],
    }


def _by_second(result: Result) -> list[dict[str, Any]]:
    """Counted from the first measured second; the warm-up's are below zero."""
    rows = []
    for second in result.series.all:
        number = second.number - result.wanted.warm_up_s
        took = {kind: latency(second.took_ms[kind]) for kind in Kind}
        rows.append(
            {
                "second": number,
                "sent": {kind: second.sent[kind] for kind in Kind},
                "done": {kind: took[kind].count for kind in Kind},
                "p50_ms": {kind: round(took[kind].p50_ms, 2) for kind in Kind},
                "p99_ms": {kind: round(took[kind].p99_ms, 2) for kind in Kind},
                "errors": dict(second.errors),
                "trades": result.trades_in_second.get(number, 0),
                "generator_cpu_s": round(second.cpu_s, 3),
            }
        )
    return rows

"""What one process of a load counts, second by second; and all of it together."""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain

from msgspec import Struct

from simulator.load.measuring import percentile
from simulator.load.mix import Kind

Milliseconds = dict[Kind, "array[float]"]


@dataclass
class Second:
    """What happened between two whole seconds, counted from the start. Latencies are of what was answered in it;
    an error is no answer."""

    number: int
    sent: Counter[Kind] = field(default_factory=Counter)
    took_ms: Milliseconds = field(default_factory=lambda: {kind: array("f") for kind in Kind})
    late_ms: "array[float]" = field(default_factory=lambda: array("f"))  # from due to signed and handed over
    errors: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0  # the sending process's own

    def add(self, other: "Second") -> None:
        self.sent += other.sent
        for kind, took_ms in other.took_ms.items():
            self.took_ms[kind].extend(took_ms)
        self.late_ms.extend(other.late_ms)
        self.errors += other.errors
        self.refused += other.refused
        self.cpu_s += other.cpu_s


class Latency(Struct, frozen=True):
    """Of one kind of request, from when it was due."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


def latency(took_ms: Iterable[float]) -> Latency:
    ordered = sorted(took_ms)
    parts = (percentile(ordered, part) for part in (0.5, 0.9, 0.99, 0.999, 1.0))
    return Latency(len(ordered), *parts)


class Series:
    """The seconds of all processes, those before `warm_up_s` apart."""

    def __init__(self, warm_up_s: int) -> None:
        self.warm_up_s = warm_up_s
        self._seconds: dict[int, Second] = {}

    def add(self, second: Second) -> None:
        if second.number in self._seconds:
            self._seconds[second.number].add(second)
        else:
            self._seconds[second.number] = second

    @property
    def all(self) -> list[Second]:
        return [self._seconds[number] for number in sorted(self._seconds)]

    @property
    def measured(self) -> list[Second]:
        return [second for second in self.all if second.number >= self.warm_up_s]

    def latency(self, kind: Kind) -> Latency:
        return latency(chain.from_iterable(second.took_ms[kind] for second in self.measured))

    def late_ms(self) -> Latency:
        return latency(chain.from_iterable(second.late_ms for second in self.measured))

    def cpu_s(self) -> float:
        """Of the processes that send."""
        return sum(second.cpu_s for second in self.measured)

    def sent(self) -> Counter[Kind]:
        return sum((second.sent for second in self.measured), Counter())

    def errors(self) -> Counter[str]:
        """Of the whole run, its warm-up too."""
        return sum((second.errors for second in self.all), Counter())

    def refused(self) -> Counter[str]:
        return sum((second.refused for second in self.measured), Counter())

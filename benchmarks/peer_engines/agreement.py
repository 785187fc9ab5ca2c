"""Whether an engine fills as another does: a rate is worth nothing where it is for something else. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.peer_engines.engines import Engine
from benchmarks.peer_engines.workload import Step, Submit


class Difference(NamedTuple):
    operation: int  # counted from 1
    what: str


def first_difference(reference: Engine, engine: Engine, steps: Iterable[Step]) -> Difference | None:
    """Step by step on both. An engine that doesn't tell who was filled is compared by its book after each step."""
    for number, step in enumerate(steps, 1):
        reference.run([step])
        expected = reference.take_fills()
        try:
            engine.run([step])
            if not engine.tells_fills:
                expected_book, book = reference.book(), engine.book()
                if book != expected_book:
                    return Difference(number, f"{_words(step)}: the book is {book}, expected {expected_book}")
                continue
            found = engine.take_fills()
        except Exception as error:  # somebody else's engine: whatever it raises is its difference
            return Difference(number, f"{_words(step)}: raised {type(error).__name__}: {error}")
        if found != expected:
            at = next(
                (at for at, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]),
                min(len(found), len(expected)),
            )
            said, wanted = (str(fills[at]) if at < len(fills) else "none" for fills in (found, expected))
            return Difference(number, f"{_words(step)}: fill {at + 1} is {said}, expected {wanted}")
    return None


def _words(step: Step) -> str:
    if isinstance(step, Submit):
        side = "buy" if step.is_buy else "sell"
        return f"order {step.number}, {side} {step.lots} at {step.price_ticks}"
    return f"cancel of order {step.number}"

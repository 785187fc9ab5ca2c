"""Which loads are tried one after another, and when that ends. Pure."""

from collections.abc import Callable, Sequence

from benchmarks.scaling.found import Level

# From the least on, until one is not sustained; the last is more than two cores can be thought to do.
PERCENTS = (10.0, 25.0, 50.0, 75.0, 100.0, *(float(percent) for percent in range(150, 2001, 50)))
# In wider steps: only where it ends is looked for.
LAYOUT_PERCENTS = (50.0, 100.0, 150.0, 200.0, 300.0, 400.0, 600.0, 800.0, 1200.0, 1600.0)
MOST_PERCENT = 100_000.0


def climb(percents: Sequence[float], once: Callable[[float], Level], ends: Callable[[Level], bool]) -> None:
    """Tries each, up to the first level that `ends` it."""
    for percent in percents:
        if ends(once(percent)):
            return


def not_sustained(level: Level) -> bool:
    return not level.sustained


def not_kept_up(level: Level) -> bool:
    """A load that is done, if too slowly to be called sustained, leaves open how much more can be."""
    return not level.kept_up


def numbers(text: str, least: float, most: float) -> list[float]:
    """Of `10,25,50`: in order, each once. ValueError says what is wrong."""
    found = sorted({float(part) for part in text.split(",")})
    for number in found:
        if not least <= number <= most:
            raise ValueError(f"{number:g} is not between {least:g} and {most:g}")
    return found

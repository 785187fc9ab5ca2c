"""The reasons for the bends in words: what changed from one level to the next, as far as the figures say. Pure.

Nothing is guessed: a sentence names the process whose cost changed most, how full the processors were, which stage fell
behind. What changed by less than NOTABLE is not told, since each level is measured once.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from statistics import linear_regression

from benchmarks.scaling.found import Found, Layout, Level, Part, Sized

NOTABLE = 0.1
NOTABLE_P99 = 1.5  # times
FULL = 0.95  # of the machine's processors
BEHIND = 0.1  # records a second that a stage falls behind, for each command a second


def words(found: Found) -> dict[str, list[str]]:
    """By part, and of the cost by door."""
    told = {f"{Part.COST} {door}": cost_words(found.of_door(door)) for door in found.doors}
    if found.measured_layouts:
        told[Part.PARTITIONS] = layout_words(found.measured_layouts)
    if found.sizes:
        told[Part.ENGINE] = size_words(found.sizes)
    return told


# --- cost against load


def cost_words(levels: Sequence[Level]) -> list[str]:
    """Of one door's levels, the least first."""
    whole = [level for level in levels if not level.broken_off]
    told = [_step(before, after) for before, after in pairwise(whole)]
    told += [_end(level) for level in whole if not level.sustained]
    return [sentence for sentence in (_fixed_part(whole), *told) if sentence] or ["No bend of more than 10%."]


def _fixed_part(levels: Sequence[Level]) -> str:
    """How well a part that is there at any load and a part for each command describe what was used."""
    seen = [level for level in levels if level.kept_up and level.cores_by_process and level.commands_per_s]
    if len(seen) < 3:
        return ""
    per_s = [level.commands_per_s for level in seen]
    cores = [sum(level.cores_by_process.values()) for level in seen]
    slope, fixed = linear_regression(per_s, cores)
    off = max(abs(fixed + slope * x - y) / y for x, y in zip(per_s, cores, strict=True))
    if fixed <= 0:
        return (
            "What the exchange uses grows no slower than the load: there is no fixed part that more orders would share."
        )
    names = [name for name in seen[0].cores_by_process if all(name in level.cores_by_process for level in seen)]
    parts = {name: linear_regression(per_s, [one.cores_by_process[name] for one in seen]).intercept for name in names}
    most = max(parts, key=lambda name: parts[name])
    return (
        f"A fixed part of {fixed:.2f} cores ({most}: {parts[most]:.2f}), which more orders share, and"
        f" {1000 * slope:.2f} ms for each order or cancel describe these levels to within {off:.0%}."
    )


def _step(before: Level, after: Level) -> str:
    told = [*_cost_change(before, after), *_p99_change(before, after)]
    if not told:
        return ""
    if after.sustained:  # else they are told with the end
        told += _circumstances(after)
    return f"{before.percent:g}% to {after.percent:g}%: {'; '.join(told)}."


def _cost_change(before: Level, after: Level) -> Iterator[str]:
    was, now = before.cpu_ms_per_order, after.cpu_ms_per_order
    if was is None or now is None or abs(now - was) < NOTABLE * was:
        return
    sign = 1 if now > was else -1
    changes = {
        name: now_ms - before.cpu_ms_by_process.get(name, 0.0) for name, now_ms in after.cpu_ms_by_process.items()
    }
    most = max(changes, key=lambda name: sign * changes[name])
    yield (
        f"an order or cancel costs {abs(now / was - 1):.0%} {'more' if sign > 0 else 'less'}"
        f" ({was:.2f}, then {now:.2f} ms), most of all in {most} ({before.cpu_ms_by_process.get(most, 0.0):.2f}, then"
        f" {after.cpu_ms_by_process[most]:.2f} ms)"
    )


def _p99_change(before: Level, after: Level) -> Iterator[str]:
    if before.p99_ms and after.p99_ms >= NOTABLE_P99 * before.p99_ms:
        yield f"p99 rises from {before.p99_ms:,.0f} to {after.p99_ms:,.0f} ms"
    elif after.p99_ms and before.p99_ms >= NOTABLE_P99 * after.p99_ms:
        yield f"p99 falls from {before.p99_ms:,.0f} to {after.p99_ms:,.0f} ms"


def _end(level: Level) -> str:
    return f"{level.percent:g}% {level.verdict}; {'; '.join(_circumstances(level))}."


def _circumstances(level: Level) -> Iterator[str]:
    """How full the machine was, and who was busiest or fell behind."""
    full = ", which is all there is" if level.machine_used >= FULL else ""
    yield f"the machine's processors were {level.machine_used:.0%} used{full}"
    if level.cores_by_process:
        busiest = max(level.cores_by_process, key=lambda name: level.cores_by_process[name])
        yield (
            f"the busiest process was {busiest} with {level.cores_by_process[busiest]:.2f} cores, the generator had"
            f" {level.generator_cores:.2f}"
        )
    for stage, per_s in level.lag_growth_per_s.items():
        if per_s > BEHIND * level.commands_per_s:
            yield f"{stage} fell behind by {per_s:,.0f} records a second"
    if level.others > NOTABLE:
        yield f"other programs had {level.others:.0%} of the machine"


# --- orders/s against partitions and processes


def layout_words(layouts: Sequence[Layout]) -> list[str]:
    told = [_most(max(layouts, key=lambda layout: layout.best.done_per_s))]
    by_processes = sorted(layouts, key=lambda layout: (layout.gateway_processes, layout.partitions))
    for processes, row in groupby(by_processes, key=lambda layout: layout.gateway_processes):
        for before, after in pairwise(row):
            change = f"{before.partitions} to {after.partitions} partitions, {_gateways(processes)}"
            told.append(_layout_change(change, before, after))
    by_partitions = sorted(layouts, key=lambda layout: (layout.partitions, layout.gateway_processes))
    for count, row in groupby(by_partitions, key=lambda layout: layout.partitions):
        for before, after in pairwise(row):
            change = f"{before.gateway_processes} to {_gateways(after.gateway_processes)}, {count} partitions"
            told.append(_layout_change(change, before, after))
    return told


def _gateways(processes: int) -> str:
    return f"{processes} gateway process{'es' if processes > 1 else ''}"


def _most(layout: Layout) -> str:
    more = "" if layout.at_its_limit else "; more was not tried"
    return (
        f"The most orders done were {layout.best.done_per_s:,.0f} a second, with {layout.partitions} partitions and"
        f" {_gateways(layout.gateway_processes)}: {'; '.join(_circumstances(layout.best))}{more}."
    )


def _layout_change(change: str, before: Layout, after: Layout) -> str:
    was, now = before.best.done_per_s, after.best.done_per_s
    if abs(now - was) < NOTABLE * was:
        return f"{change}: no difference of more than 10%."
    return f"{change}: {was:,.0f}, then {now:,.0f} orders/s; {'; '.join(_circumstances(after.best))}."


# --- time against resting orders


def size_words(sizes: Sequence[Sized]) -> list[str]:
    told = []
    for before, after in pairwise(sizes):
        ratio = after.us_per_operation / before.us_per_operation
        if abs(ratio - 1) >= NOTABLE:
            told.append(
                f"{before.resting_orders:,} to {after.resting_orders:,} resting orders, on {before.price_levels:,} and"
                f" {after.price_levels:,} price levels: an operation takes {ratio:.2f} times as long;"
                f" p50 {before.p50_us:.2f}, then {after.p50_us:.2f} us,"
                f" p99 {before.p99_us:.2f}, then {after.p99_us:.2f} us."
            )
    first, last = sizes[0], sizes[-1]
    if len(sizes) > 1:
        told.append(
            f"In all, {last.resting_orders / first.resting_orders:,.0f} times the orders take"
            f" {last.us_per_operation / first.us_per_operation:.2f} times as long."
        )
    return told

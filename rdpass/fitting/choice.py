"""Decisions on a search's findings: what is worth a training, which come first, what the outcome is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from rdpass.core.numeric_types import BYTES, Precision
from rdpass.core.plan import Choice, Skipped
from rdpass.fitting.limits import misses, words
from rdpass.fitting.networks import Network
from rdpass.fitting.record import TRAINED, Fit, Measured, Point
from rdpass.profiling.account.choices import choice_key
from rdpass.report.worth import LESS_TIME

NEAR = 0.10
"""Where nothing keeps to the limits of cost, what misses none by more is trained all the same."""

Worthy = dict[str, tuple[Precision, ...]]
"""Names of networks, each with the precisions in which it keeps to the limits of cost."""


def worst_excess(found: Fit, cost: Choice) -> float:
    """The share by which a cost exceeds the limit that it misses most; 0 where it misses none."""
    return max((miss.excess for miss in misses(found.limits, cost)), default=0.0)


def candidates(found: Fit) -> tuple[Choice, ...]:
    """What keeps to the limits of cost, or where nothing does, what nearly does."""
    return found.within or tuple(cost for cost in found.costs if worst_excess(found, cost) <= NEAR)


def settled(found: Fit) -> Point | None:
    """The best point without training, if nothing better is to be expected of one.

    It keeps to every limit and, where no drop was named, loses no more than these images can tell: one standard error.
    """
    point = replace(found, measured=untrained(found)).best
    if point is None or (found.limits.drop is None and point.measured.drop > (point.measured.difference.error or 0.0)):
        return None
    return point


def untrained(found: Fit) -> tuple[Measured, ...]:
    """What was measured and has not been trained."""
    return tuple(each for each in found.measured if each.how != TRAINED)


def worth_training(found: Fit, failed: Collection[str] = ()) -> tuple[Worthy, tuple[Skipped, ...]]:
    """The networks to probe and train, and those that need not be, with the reason.

    1. None, where cost is limited and what needs no training keeps to the budget.
    2. Where no cost is limited, those that are faster than what needs no training.
    3. Not those of which another one keeps to the limits in the same precisions, and keeps more of the network.

    A network that needs no training in float is trained in int8, if it could be rounded. Those that ``failed`` are not
    looked at.
    """
    done, bounded = settled(found), found.limits.bounds_cost
    if done is not None and bounded:
        return {}, ()
    rounded = {each.network for each in untrained(found) if each.precision == BYTES}
    worthy: Worthy = {}
    for cost in candidates(found):
        is_fast = done is None or cost.ms <= (1 - LESS_TIME) * done.cost.ms
        trains = found.network(cost.network).trains or (cost.precision == BYTES and cost.network in rounded)
        if is_fast and trains and cost.network not in failed:
            worthy[cost.network] = (*worthy.get(cost.network, ()), cost.precision)
    needless = tuple(_needless(found, worthy)) if bounded else ()
    return {name: these for name, these in worthy.items() if name not in {each.add for each in needless}}, needless


def _needless(found: Fit, worthy: Worthy) -> Iterable[Skipped]:
    for name, precisions in worthy.items():
        others = (other for other, these in worthy.items() if set(precisions) <= set(these))
        more = next((other for other in others if _keeps_more(found.network(other), found.network(name))), None)
        if more is not None:
            yield Skipped(name, f"{more} does as well by its costs, and keeps more of the network")


def _keeps_more(one: Network, other: Network) -> bool:
    """Whether all that ``one`` loses is lost by ``other`` too, and more; what goes exactly is not lost."""
    mine, theirs = (set(network.removed) if network.trains else set() for network in (one, other))
    lost = (mine, one.pruned, one.merged), (theirs, other.pruned, other.merged)
    return lost[0] != lost[1] and mine <= theirs and one.pruned <= other.pruned and one.merged <= other.merged


def ranked(found: Fit, worthy: Worthy) -> list[str]:
    """The networks that were probed, or rounded, the one that lost least in a worthy precision first."""
    seen: Sequence[Measured] = (*found.probes, *untrained(found))
    drops = {
        name: [each.drop for each in seen if each.network == name and each.precision in these]
        for name, these in worthy.items()
    }
    return sorted((name for name, these in drops.items() if these), key=lambda name: min(drops[name]))


def front(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points of which no other one is as good in everything and better in something."""
    scores = {point: _scores(point) for point in points}
    return tuple(point for point in points if not any(_beats(other, scores[point]) for other in scores.values()))


def _scores(point: Point) -> tuple[float, ...]:
    return point.measured.drop, point.cost.ms, point.cost.peak_bytes, point.cost.weight_bytes


def _beats(mine: tuple[float, ...], theirs: tuple[float, ...]) -> bool:
    return mine != theirs and all(a <= b for a, b in zip(mine, theirs, strict=True))


def verdict_of(found: Fit) -> str:
    """The outcome in a sentence or two."""
    if found.best is not None:
        return _met(found, found.best)
    nearest = min(found.costs, key=lambda cost: worst_excess(found, cost), default=None)
    if nearest is None:
        return "No network's cost could be estimated."
    near = [point for point in found.points if point.cost in candidates(found)]
    if near:
        point = min(near, key=lambda point: (worst_excess(found, point.cost), point.measured.drop))
        listed = "; ".join(map(str, point.missed))
        return f"Nothing meets the budget. Nearest: {_told(point.cost)}, {_accuracy(found, point)}: {listed}."
    if not found.within:
        listed = "; ".join(map(str, misses(found.limits, nearest)))
        return f"Nothing meets the budget. Nearest by its cost: {_told(nearest)}: {listed}."
    listed = ", ".join(choice_key(cost.network, cost.precision) for cost in found.within)
    return f"Nothing that was measured meets the budget. By their costs these would: {listed}."


def _met(found: Fit, point: Point) -> str:
    how = "it was trained" if point.measured.how == TRAINED else "nothing needs training"
    return f"{_told(point.cost)} meets the budget: {_accuracy(found, point)}; {how}."


def _told(cost: Choice) -> str:
    figures = ", ".join(words(limit, getattr(cost, limit)) for limit in ("ms", "peak_bytes", "weight_bytes"))
    name = choice_key(cost.network, cost.precision)
    return f"{name[0].upper()}{name[1:]} ({figures})"


def _accuracy(found: Fit, point: Point) -> str:
    measured = point.measured
    return f"{found.figure} {measured.figure} on {measured.images} images, {measured.difference} beside the teacher"

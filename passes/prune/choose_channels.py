"""Choose the channels that leave: the least important ones over all layers, until the budget is met.

1. Units that the same layers write, each as often, form a set: a residual stream, the width of a bottleneck.
2. A set shrinks in steps, its least important units first, so that every width written is a multiple of the kernels'
   block afterwards: what fills a part of a block only costs as much as a whole one.
3. Steps of all sets are ordered by the mean importance of their units. The first of them that together meet the budget
   leave; no set goes below the floor.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import ceil, gcd, lcm

from rdpass.core.errors import ConfigError
from rdpass.core.plan import Skipped
from rdpass.passes.prune.find_channels import Channels
from rdpass.passes.prune.importance import Scores
from rdpass.passes.prune.remove_channels import left

SLACK = 1e-9
"""Of a share that was computed."""


@dataclass(frozen=True)
class ChannelSet:
    """Units that the same layers write, each of them ``counts`` times; ``layers`` are the layers' nodes."""

    units: tuple[int, ...]
    layers: tuple[str, ...]
    counts: tuple[int, ...]

    def step(self, multiple: int) -> int:
        """By how many units it may shrink and grow for every layer's width to stay a multiple."""
        return lcm(*(multiple // gcd(multiple, count) for count in self.counts))


def channel_sets(channels: Channels) -> tuple[ChannelSet, ...]:
    """The sets of units that may leave, in graph order."""
    written: dict[int, Counter[str]] = defaultdict(Counter)
    for layer in channels.layers:
        for unit in layer.writes:
            if unit not in channels.fixed:
                written[unit][layer.node] += 1
    sets: dict[tuple[tuple[str, int], ...], list[int]] = defaultdict(list)
    for unit, counts in written.items():
        sets[tuple(counts.items())].append(unit)
    return tuple(
        ChannelSet(tuple(units), tuple(node for node, _ in written), tuple(count for _, count in written))
        for written, units in sets.items()
    )


def choose_channels(
    channels: Channels,
    scores: Scores,
    share: float,
    multiple: int,
    floor: float,
    widths: Mapping[str, int] | None = None,
) -> tuple[frozenset[int], tuple[Skipped, ...]]:
    """The units that leave for ``share`` of the multiply-accumulates to be saved at least, and what can't shrink.

    Args:
        channels: of the graph.
        scores: the importance of each unit.
        share: of the network's multiply-accumulates, between 0 and 1.
        multiple: that widths are to be of.
        floor: the fraction of a set's units that stay at least.
        widths: of the layers, by path, that the floor is a fraction of; None for those that they have.

    Raises:
        ConfigError: the floor leaves more than that.
    """
    sets = channel_sets(channels)
    before = {layer.node: (widths or {}).get(layer.path, len(layer.writes)) / len(layer.writes)
              for layer in channels.layers}  # fmt: skip
    floors = {each: floor * max(before[node] for node in each.layers) for each in sets}
    steps = sorted((step for each in sets for step in _steps(each, scores, multiple, floors[each])),
                   key=lambda step: step[0])  # fmt: skip
    whole = macs_left(channels, frozenset())

    def without(count: int) -> frozenset[int]:
        return frozenset(unit for _, units in steps[:count] for unit in units)

    def enough(count: int) -> bool:
        return macs_left(channels, without(count)) <= (1 - share + SLACK) * whole

    if not enough(len(steps)):
        most = 1 - macs_left(channels, without(len(steps))) / max(1, whole)
        raise ConfigError(
            f"no more than {most:.1%} of the multiply-accumulates can leave where widths are multiples of {multiple}"
            f" and {floor:.0%} of each stays, not {share:.1%}; ask for less, or lower the floor or the multiple"
        )
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    shrinking = {each for each in sets if _steps(each, {}, multiple, floors[each])}
    return without(low), _skipped(channels, shrinking, multiple)


def macs_left(channels: Channels, gone: Collection[int]) -> int:
    """Multiply-accumulates of the network without the units ``gone``."""
    total = channels.other_macs
    for layer in channels.layers:
        macs = layer.macs
        for units in layer.factors:
            macs = macs * left(units, gone) // len(units)
        total += macs
    return total


Step = tuple[float, tuple[int, ...]]


def _steps(each: ChannelSet, scores: Scores, multiple: int, floor: float) -> list[Step]:
    """The units in the order in which they may leave, and a score of each step that never falls."""
    ordered = sorted(each.units, key=lambda unit: scores.get(unit, 0.0))
    step, count, found, worst = each.step(multiple), len(ordered), list[Step](), 0.0
    least = ceil(max(1, floor * count) / step) * step
    start = 0
    for kept in range((count - 1) // step * step, least - 1, -step):
        units = tuple(ordered[start : count - kept])
        worst = max(worst, sum(scores.get(unit, 0.0) for unit in units) / len(units))
        found.append((worst, units))
        start = count - kept
    return found


def _skipped(channels: Channels, shrinking: Collection[ChannelSet], multiple: int) -> tuple[Skipped, ...]:
    """Layers none of whose channels could leave, and why."""
    free = {node for each in shrinking for node in each.layers}
    found = []
    for layer in channels.layers:
        fixed = next((channels.fixed[unit] for unit in layer.writes if unit in channels.fixed), None)
        if layer.node not in free and fixed is not None:
            found.append(Skipped(layer.node, f"{fixed.add}: {fixed.reason}"))
        elif layer.node not in free:
            reason = f"of {len(layer.writes)} channels no block of {multiple} can leave"
            found.append(Skipped(layer.node, reason))
    return tuple(found)

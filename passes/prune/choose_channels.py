"""Choose the channels that leave: the least important ones over all layers, until the budget is met.

1. Units that the same layers write, each as often, form a set: a residual stream, the width of a bottleneck.
2. A set shrinks in steps, its least important units first, so that every width written is a multiple of the kernels'
   block afterwards: what fills a part of a block only costs as much as a whole one.
3. Steps of all sets are ordered by the mean importance of their units. The first of them that together meet the budget
   leave, but for those that it does not need; no set goes below the floor.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, gcd, lcm

from rdpass.core.errors import ConfigError
from rdpass.core.plan import Skipped
from rdpass.passes.prune.find_channels import Channels
from rdpass.passes.prune.importance import Scores

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
    steps = {each: _steps(each, scores, multiple, floors[each]) for each in sets}
    tally = Tally(channels)
    budget = (1 - share + SLACK) * tally.macs
    whole, taken = tally.macs, list[Taken]()
    for _, of, units in sorted(((step[0], each, step[1]) for each in sets for step in steps[each]), key=_score):
        if tally.macs > budget:
            tally.take(units)
            taken.append((of, units))
    if tally.macs > budget:
        raise ConfigError(
            f"no more than {1 - tally.macs / max(1, whole):.1%} of the multiply-accumulates can leave where widths are"
            f" multiples of {multiple} and {floor:.0%} of each stays, not {share:.1%}; ask for less, or lower the floor"
            " or the multiple"
        )
    shrinking = {each for each in sets if steps[each]}
    return _needed(tally, taken, budget), _skipped(channels, shrinking, multiple)


class Tally:
    """Multiply-accumulates of a network as units leave and come back.

    Example:
        >>> tally = Tally(channels)
        >>> tally.take(unit for unit in channels.layers[0].writes)
        >>> tally.macs < Tally(channels).macs
        True
    """

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._left = [[len(units) for units in layer.factors] for layer in channels.layers]
        self._places: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for index, layer in enumerate(channels.layers):
            for factor, units in enumerate(layer.factors):
                for unit in units:
                    self._places[unit].append((index, factor))

    def take(self, units: Iterable[int], back: bool = False) -> None:
        """Let these units leave, or come back."""
        for unit in units:
            for layer, factor in self._places[unit]:
                self._left[layer][factor] += 1 if back else -1

    @property
    def macs(self) -> int:
        """What is left."""
        total = self._channels.other_macs
        for layer, lefts in zip(self._channels.layers, self._left, strict=True):
            macs = layer.macs
            for units, left in zip(layer.factors, lefts, strict=True):
                macs = macs * left // len(units)
            total += macs
        return total


Taken = tuple[ChannelSet, tuple[int, ...]]


def _needed(tally: Tally, taken: Sequence[Taken], budget: float) -> frozenset[int]:
    """The units of the steps that the budget needs: where a later one saved more than was missing, others come back."""
    gone, closed = set[int](), set[ChannelSet]()
    for each, units in reversed(taken):
        if each not in closed:
            tally.take(units, back=True)
            if tally.macs <= budget:
                continue
            tally.take(units)
        closed.add(each)  # its units leave in order
        gone.update(units)
    return frozenset(gone)


def _score(step: tuple[float, ChannelSet, tuple[int, ...]]) -> float:
    return step[0]


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

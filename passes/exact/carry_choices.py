"""The ways in which a shortcut could be carried through a given body. The cheapest that holds is taken.

- ``entry``: how the carried channels part from the fork, where something stands before the first convolution.
  ``shared``: nothing does. ``undone``: a batch norm alone, which the first convolution takes back on the carried
  channels. ``duplicated``: a depthwise 1x1 convolution gives two copies, a batch norm folded into the first.
- ``places``: in which of the convolutions each layer of the shortcut is done.
- ``summed``: the sum is a convolution of its own at the end, for there is an activation or a gate after the last one,
  or the last one is grouped.
- ``interleaved``: in how many groups own and carried channels interleave; ``interleaved_last`` is the same behind the
  last convolution. 1 puts all own channels first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Literal

import torch
from torch.fx import GraphModule

from rdpass.passes.exact.body_path import Step
from rdpass.passes.exact.shortcut_layers import Layer
from rdpass.passes.graph.linear.linear_layers import linear_map
from rdpass.passes.graph.linear.linear_map import LinearMap, NotExact, compose
from rdpass.passes.graph.node_kinds import BATCH_NORMS, CONVOLUTIONS, module_of

Entry = Literal["shared", "undone", "duplicated"]
# How far taking a batch norm back may magnify the rounding of what it gave, relative to the map's own scale.
MAGNIFIED = 4.0


@dataclass(frozen=True)
class Unit:
    """A convolution, the per-channel layers that it absorbs, and the steps from there to the next one."""

    conv: Step
    absorbed: tuple[Step, ...]
    after: tuple[Step, ...]


@dataclass(frozen=True)
class Body:
    """The steps before the first convolution, and the units."""

    lead: tuple[Step, ...]
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Choice:
    entry: Entry
    places: tuple[int, ...]
    summed: bool
    interleaved: int
    interleaved_last: int


def parse_body(steps: tuple[Step, ...]) -> Body:
    """The steps by convolutions.

    Raises:
        NotExact: there is none.
    """
    starts = [index for index, step in enumerate(steps) if step.kind == "conv"]
    if not starts:
        raise NotExact("no convolution in the body")
    units = [_unit(steps[start:end]) for start, end in zip(starts, [*starts[1:], len(steps)], strict=True)]
    return Body(steps[: starts[0]], tuple(units))


def _unit(steps: tuple[Step, ...]) -> Unit:
    conv, *rest = (step for step in steps if step.kind != "pass" or step is steps[0])
    count = next((index for index, step in enumerate(rest) if step.kind != "affine"), len(rest))
    return Unit(conv, tuple(rest[:count]), tuple(rest[count:]))


def choices(graph_module: GraphModule, body: Body, layers: tuple[Layer, ...], channels: int) -> Iterator[Choice]:
    """All ways worth trying; ``channels`` are those of the sum."""
    convs = [module_of(graph_module, unit.conv.node) for unit in body.units]
    groups = [conv.groups for conv in convs if isinstance(conv, CONVOLUTIONS)]
    counts = list(dict.fromkeys([1, *(count for count in groups if count > 1)]))
    must_sum = bool(body.units[-1].after)
    for entry in _entries(graph_module, body):
        for summed in (True,) if must_sum else (False, True) if groups[-1] > 1 else (False,):
            ends = list(dict.fromkeys([*counts, channels])) if summed else [1]
            for places in combinations_with_replacement(range(len(groups) + summed), len(layers)):
                for count in counts if len(groups) > 1 or summed else [1]:
                    for last in ends:
                        yield Choice(entry, places, summed, count, last)


def _entries(graph_module: GraphModule, body: Body) -> tuple[Entry, ...]:
    lead = [step for step in body.lead if step.kind != "pass"]
    if not lead:
        return ("shared",)
    if all(step.kind == "affine" for step in lead) and _recoverable(graph_module, lead):
        return ("undone", "duplicated")
    return ("duplicated",)


def _recoverable(graph_module: GraphModule, lead: list[Step]) -> bool:
    """Tell whether taking the batch norm back is sound: no channel lost, no rounding magnified.

    x = (y - b) / a is off by about eps (|x| + |b / a|); the running statistics tell the scale of x.
    """
    norm = module_of(graph_module, lead[0].node)
    if len(lead) > 1 or not isinstance(norm, BATCH_NORMS) or norm.running_mean is None or norm.running_var is None:
        return False
    linear = linear_map(graph_module, lead[0].node, lead[0].source)
    scale, shift = linear.weight.flatten(), linear.bias
    if shift is None or not bool((scale != 0).all()):
        return False
    usual = norm.running_mean.double().abs() + norm.running_var.double().sqrt()
    return bool((shift / scale).abs().max() <= MAGNIFIED * usual.max()) and bool(torch.isfinite(1 / scale).all())


def own_map(graph_module: GraphModule, steps: tuple[Step, ...]) -> LinearMap:
    """The map that consecutive linear steps compute together."""
    result = linear_map(graph_module, steps[0].node, steps[0].source)
    for step in steps[1:]:
        result = compose(result, linear_map(graph_module, step.node, step.source))
    return result

"""``inspect``: what a model's adds are and what their removal would gain, read without changing anything."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.fx import GraphModule

from rdpass.passes.fx.absorb_padding import absorb_padding
from rdpass.passes.fx.census import take_census
from rdpass.passes.fx.cost import cost_of
from rdpass.passes.fx.remove_shortcuts import remove_shortcuts
from rdpass.passes.fx.shapes import annotate_shapes
from rdpass.tracing import Example, trace
from rdpass.types import Cost, Forecast, Plan, Traced


def inspect(
    model: nn.Module,
    example: Example = None,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    leaf: Sequence[str] = (),
) -> Plan:
    """Every add of ``model`` with its verdict, and a forecast. The model is copied, never run or changed.

    Args:
        model: any module.
        example: a tensor or tuple as the model takes it; batch size 1 gives figures per inference.
        only, skip: globs on the adds' node names or on module paths, to select regions.
        leaf: globs on the paths of submodules to keep whole where tracing can't follow them.

    Raises:
        ConfigError: not a module, or the example does not fit.
        TraceError: it can't be turned into a graph.
    """
    return plan_of(trace(model, example, leaf), tuple(only), tuple(skip))


def plan_of(traced: Traced, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> Plan:
    """The plan of a graph that is traced already."""
    regions, skipped = take_census(traced, only, skip)
    removable = [region for region in regions if region.verdict == "removable"]
    plain = remove_shortcuts(traced.module, removable)
    return Plan(regions, skipped, Forecast(_deployed_cost(traced.module, traced), _deployed_cost(plain, traced)))


def _deployed_cost(module: GraphModule, traced: Traced) -> Cost:
    """The cost once explicit zero padding lies in the convolutions, as it does in what is deployed."""
    deployed = absorb_padding(module)
    annotate_shapes(deployed, traced.example)
    return cost_of(deployed)

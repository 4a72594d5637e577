"""Plan how a shortcut's identity moves onto the convolutions of its body, in branches that fold.

For a body of convolutions u_1 … u_m (each with its batch norm, anything between them) beside a shortcut S:

1. *Identities*: every u_i keeps the shape of what it carries. Round u_1 goes S(x), round the others their own input.
2. *Stream*: the widths differ (bottleneck, inverted residual), or u_1 does not read the fork (pre-activation). k
   channels run through all of them: P round u_1 maps what it reads to k coordinates of S(x), a gain per channel goes
   round the inner ones, Q round u_m leads back. P and Q are dense, so u_1 and u_m must not be grouped.
3. *Some identities*: those of case 1 that fit. The rest of the shortcut only fades.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.distill.main_chain import MainChain, SqueezeGate, has_tap, main_chain
from rdpass.passes.graph.linear.dirac import as_pointwise
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, kind_of, module_of, shape_of

Form = Literal["identities", "stream", "some identities"]


@dataclass(frozen=True)
class Reparam:
    """One shortcut's way onto the convolutions. ``units`` are positions in the chain, from 0; ``width`` is k.

    ``exact`` says that S is a linear map of what the first convolution reads (nothing, or one 1x1 projection), so that
    P is computed from it; else P is the linear map that comes nearest on data.
    """

    region: Region
    chain: MainChain
    form: Form
    units: tuple[int, ...]
    width: int
    exact: bool

    @property
    def gates(self) -> tuple[SqueezeGate, ...]:
        return self.chain.gates


def plan_reparam(graph_module: GraphModule, region: Region, stream: bool = True) -> Reparam | str:
    """The first of the three forms that fits (the second only with ``stream``); else why none does."""
    chain = main_chain(graph_module, region)
    if isinstance(chain, str):
        return chain
    nodes = {node.name: node for node in graph_module.graph.nodes}
    fitting = tuple(
        index for index, unit in enumerate(chain.units)
        if _identity_fits(graph_module, nodes, chain, index, region, nodes[unit.conv])
    )  # fmt: skip
    exact = is_linear(graph_module, region, nodes[chain.source], chain)
    if len(fitting) == len(chain.units):
        return Reparam(region, chain, "identities", fitting, region.shape[1], exact)
    refused = _stream_refused(graph_module, nodes, chain) if stream else "streams are switched off"
    if refused is None:
        widths = [shape_of(nodes[unit.conv]) or () for unit in chain.units[:-1]]
        width = min(region.shape[1], *(shape[1] for shape in widths))
        return Reparam(region, chain, "stream", tuple(range(len(chain.units))), width, exact)
    if fitting:
        return Reparam(region, chain, "some identities", fitting, region.shape[1], exact)
    return f"no identity fits round the body's layers, and no stream: {refused}"


def _identity_fits(
    graph_module: GraphModule, nodes: dict[str, Node], chain: MainChain, index: int, region: Region, conv: Node
) -> bool:
    """Case 1 for one convolution: right shape, a tap to sit at, and one linear map at most."""
    module = module_of(graph_module, conv)
    source = conv.all_input_nodes[0]
    first = index == 0 and source.name == region.fork
    if index == 0 and not first and len(chain.units) > 1 and shape_of(source) == shape_of(nodes[region.add]):
        return False  # what it reads is not what the shortcut carries: a stream comes nearer
    if not isinstance(module, CONVOLUTIONS) or not has_tap(module):
        return False
    if not first:
        return set(module.stride) == {1} and shape_of(source) == shape_of(conv)
    if is_identity(graph_module, region):
        return set(module.stride) == {1} and shape_of(conv) == region.shape
    projection = projection_of(graph_module, region)
    return (
        projection is not None and projection.stride == module.stride and module.groups == 1
        and shape_of(conv) == region.shape
    )  # fmt: skip


def is_identity(graph_module: GraphModule, region: Region) -> bool:
    """Tell whether the shortcut hands the fork on as it is: unscaled, whole, and in the same view."""
    shortcut = [node for node in graph_module.graph.nodes if node.name in region.shortcut]
    return all(kind_of(node) == "pass" for node in shortcut)


def projection_of(graph_module: GraphModule, region: Region) -> nn.Conv1d | nn.Conv2d | nn.Conv3d | None:
    """The one dense 1x1 convolution that a shortcut consists of, beside batch norm; None for any other shortcut."""
    shortcut = [node for node in graph_module.graph.nodes if node.name in region.shortcut]
    layers = [node for node in shortcut if kind_of(node) == "conv"]
    others = {kind_of(node) for node in shortcut} - {"conv", "batch_norm", "pass"}
    module = module_of(graph_module, layers[0]) if len(layers) == 1 and not others else None
    return module if isinstance(module, CONVOLUTIONS) and as_pointwise(module) is not None else None


def is_linear(graph_module: GraphModule, region: Region, source: Node, chain: MainChain) -> bool:
    """Tell whether the shortcut is a pointwise linear map of the first convolution's source, at the chain's stride."""
    if source.name != region.fork:
        return False
    if is_identity(graph_module, region):
        return True
    projection = projection_of(graph_module, region)
    return projection is not None and tuple(projection.stride) == total_stride(graph_module, chain)


def total_stride(graph_module: GraphModule, chain: MainChain) -> tuple[int, ...]:
    """The product of the convolutions' strides, per axis."""
    nodes = {node.name: node for node in graph_module.graph.nodes}
    modules = [module_of(graph_module, nodes[unit.conv]) for unit in chain.units]
    strides = [module.stride for module in modules if isinstance(module, CONVOLUTIONS)]
    return tuple(prod(steps) for steps in zip(*strides, strict=True))


def _stream_refused(graph_module: GraphModule, nodes: dict[str, Node], chain: MainChain) -> str | None:
    if len(chain.units) < 2:
        return "one convolution alone"
    last = len(chain.units) - 1
    for index, unit in enumerate(chain.units):
        module = module_of(graph_module, nodes[unit.conv])
        assert isinstance(module, CONVOLUTIONS)
        if not has_tap(module):
            return f"{unit.conv} has no tap at the output's own position"
        if index in (0, last) and module.groups != 1:
            return f"{unit.conv} is grouped, at an end of the body"
        if 0 < index < last and module.in_channels != module.out_channels:
            return f"{unit.conv} changes the width inside the body"
    return None

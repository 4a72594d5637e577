"""``migrate`` begins: shortcuts that can fade, and identities round the single convolutions that take over.

For y = act(S(x) + F(x)) with F a chain of units u_i = BN_i(conv_i(.)), the graph becomes, s going from 1 to 0 and
r = 1 - s,

    u_i(h) + r * a_i * c_i      c_1 = S(x), c_i = h for the later units      wherever the shapes agree
    y = act(F(x) + s * S(x))

with a learnable gain a_i per channel. At s = 1, r = 0 this is the model itself; at s = 0 every branch goes round one
linear layer and folds into it (``settle_shortcuts``).
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.layers import FadingAdd, GainedIdentity
from rdpass.passes.fx.body_chain import body_chain
from rdpass.passes.fx.dirac import as_pointwise, identity_tap
from rdpass.passes.fx.editing import add_module, body_output, shortcut_output, tidy
from rdpass.passes.fx.operators import CONVOLUTIONS, kind_of, module_of, shape_of
from rdpass.types import Region


@dataclass(frozen=True)
class Fading:
    """The graph to be trained and, per add, how many of the body's layers take the identity over."""

    module: GraphModule
    identities: dict[str, int]

    def set_progress(self, faded: float) -> None:
        """Set s = 1 - ``faded`` on every shortcut and r = ``faded`` on every identity; 0 is the model itself."""
        for module in self.module.modules():
            if isinstance(module, FadingAdd):
                module.strength = 1.0 - faded
            elif isinstance(module, GainedIdentity):
                module.strength = faded


def fade_shortcuts(graph_module: GraphModule, regions: Iterable[Region]) -> Fading:
    """A copy of the graph (shapes annotated, batch norms in place) whose shortcuts can fade."""
    result = deepcopy(graph_module)
    nodes = {node.name: node for node in result.graph.nodes}
    identities = {}
    for region in regions:
        add = nodes[region.add]
        body, shortcut = body_output(add, region), shortcut_output(add, region)
        path = add_module(result, f"{add.name}_fading", FadingAdd())
        # The node keeps its name, for it may be the next region's fork.
        add.op, add.target, add.args = "call_module", path, (body, shortcut)
        identities[region.add] = _insert_identities(result, region, shortcut)
    return Fading(tidy(result), identities)


def _insert_identities(graph_module: GraphModule, region: Region, shortcut: Node) -> int:
    chain = body_chain(graph_module, region)
    if isinstance(chain, str):
        return 0  # the shortcut fades all the same, with nothing to take over
    count = 0
    for unit in _units(graph_module, chain):
        first = unit.conv.all_input_nodes[0].name == region.fork
        carried = shortcut if first else unit.conv.all_input_nodes[0]
        if not _fits(graph_module, unit.conv, carried, region if first else None):
            continue
        if first:
            _compute_shortcut_first(graph_module, region)
        shape = shape_of(unit.output) or ()
        identity = GainedIdentity(shape[1], len(shape) - 2).to(next(graph_module.parameters()))
        _insert_after(graph_module, unit.output, f"{unit.conv.name}_identity", identity, carried)
        count += 1
    return count


def _compute_shortcut_first(graph_module: GraphModule, region: Region) -> None:
    """Move the shortcut's nodes right behind the fork, for the body's first layer is going to read their result."""
    (place,) = _named(graph_module, (region.fork,))
    for node in _named(graph_module, region.shortcut):
        place.append(node)
        place = node


@dataclass(frozen=True)
class _Unit:
    """A convolution and the batch norm after it, or the convolution alone."""

    conv: Node
    output: Node


def _units(graph_module: GraphModule, chain: tuple[Node, ...]) -> list[_Unit]:
    units = []
    for node, after in zip(chain, [*chain[1:], None], strict=True):
        if kind_of(graph_module, node) == "conv":
            normed = after is not None and kind_of(graph_module, after) == "batch_norm"
            units.append(_Unit(node, after if normed and after is not None else node))
    return units


def _fits(graph_module: GraphModule, conv: Node, carried: Node, region: Region | None) -> bool:
    """Whether ``carried`` added after ``conv`` folds into it: right shape, a tap to sit at, one linear map at most."""
    module = module_of(graph_module, conv)
    if not isinstance(module, CONVOLUTIONS) or identity_tap(module) is None or shape_of(carried) != shape_of(conv):
        return False
    if region is None or not region.shortcut or region.kind == "identity":
        return set(module.stride) == {1}
    layers = [node for node in _named(graph_module, region.shortcut) if kind_of(graph_module, node) == "conv"]
    others = {kind_of(graph_module, node) for node in _named(graph_module, region.shortcut)} - {"conv", "batch_norm"}
    pointwise = as_pointwise(module_of(graph_module, layers[0]) or nn.Identity()) if len(layers) == 1 else None
    return pointwise is not None and not others - {"pass"} and pointwise.stride == module.stride and module.groups == 1


def _named(graph_module: GraphModule, names: tuple[str, ...]) -> list[Node]:
    return [node for node in graph_module.graph.nodes if node.name in names]


def _insert_after(graph_module: GraphModule, node: Node, name: str, module: nn.Module, other: Node) -> None:
    """Call ``module`` on ``node`` and ``other``, and let those who read ``node`` read that."""
    path = add_module(graph_module, name, module)
    with graph_module.graph.inserting_after(node):
        call = graph_module.graph.call_module(path, (node, other))
    call.meta = {key: value for key, value in node.meta.items() if key in ("tensor_meta", "nn_module_stack")}
    node.replace_all_uses_with(call, delete_user_cb=lambda user: user is not call)

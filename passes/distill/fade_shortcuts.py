"""``migrate`` and ``anneal`` begin: shortcuts that can fade, and branches round the convolutions that take over.

For y = act(S(x) + F(x)) with F a chain of convolutions u_1 … u_m (batch norm included), the graph becomes, with u
going from 0 to 1, s = 1 - u and r = u^e:

1. Identities: u_i(h) + r a_i c_i, with c_1 = S(x) and c_i = h for the others, a_i learnt per channel.
2. A stream: u_1(h) + r (P h + p), u_i(h) + r a_i h, u_m(h) + r Q h + r^m q, all learnt (see ``initialise_branches``).
3. y = act(F(x) + s S(x)), with the branches inside F, or with none (``anneal``).
4. A gate that reads the map behind the j-th convolution: its first layer's result + r^j d (see ``calibrate_gates``).

At u = 0 this is the model itself; at u = 1 every branch goes round one linear layer and folds into it
(``fold_branches``). With e = 1/m the identity's two ways add up to 1 throughout, s + r^m = 1; with e = 1 they dip
in between, to (m = 3) 0.63.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.distill.reparam_init import Start
from rdpass.passes.graph.editing import (
    add_module,
    body_output,
    insert_call,
    own_copy,
    shortcut_output,
    tidy,
    turn_into_call,
)
from rdpass.passes.graph.layers import FadingAdd, GainedIdentity, ShiftedBias, StreamBranch
from rdpass.passes.graph.linear.dirac import Convolution
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, module_of

Growth = Literal["root", "linear"]


@dataclass(frozen=True)
class Fading:
    """The graph to be trained and, per add in graph order, the modules' names: the add's, then its branches'.

    ``shifts``: per add, the names of its gates' shifts, and behind how many convolutions each gate lies.
    """

    module: GraphModule
    parts: dict[str, tuple[str, ...]]
    shifts: dict[str, tuple[tuple[str, int], ...]]

    @property
    def branches(self) -> dict[str, int]:
        """Per add, how many of the body's convolutions take the identity over."""
        return {add: len(names) - 1 for add, names in self.parts.items()}

    def set_faded(self, faded: float | Mapping[str, float], growth: Growth = "root") -> None:
        """Set u, for all shortcuts or per add: 0 is the model itself, 1 the plain net."""
        for add, (fading, *branches) in self.parts.items():
            u = faded if isinstance(faded, float | int) else faded[add]
            shortcut = self.module.get_submodule(fading)
            assert isinstance(shortcut, FadingAdd)
            shortcut.strength = 1.0 - u
            strength = u ** (1 / max(1, len(branches))) if growth == "root" else u
            for name in branches:
                self._set_branch(name, strength, len(branches), name == branches[-1])
            for name, after in self.shifts[add]:
                shift = self.module.get_submodule(name)
                assert isinstance(shift, ShiftedBias)
                shift.strength = strength**after

    def _set_branch(self, name: str, strength: float, count: int, is_last: bool) -> None:
        branch = self.module.get_submodule(name)
        assert isinstance(branch, GainedIdentity | StreamBranch)
        branch.strength = strength
        if isinstance(branch, StreamBranch):
            branch.bias_strength = strength**count if is_last else strength


def fade_shortcuts(graph_module: GraphModule, regions: Iterable[Region], starts: Iterable[Start] = ()) -> Fading:
    """A copy of the graph (shapes annotated, batch norms in place) whose shortcuts can fade, branches as ``starts``."""
    result = own_copy(graph_module)
    nodes = {node.name: node for node in result.graph.nodes}
    by_add = {start.reparam.region.add: start for start in starts}
    parts, shifts = {}, {}
    for region in regions:
        add = nodes[region.add]
        body, shortcut = body_output(add, region), shortcut_output(add, region)
        path = add_module(result, f"{add.name}_fading", FadingAdd())
        # The node keeps its name, for it may be the next region's fork.
        turn_into_call(result, add, path, body, shortcut)
        start = by_add.get(region.add)
        branches = _insert_branches(result, nodes, region, start, shortcut) if start is not None else ()
        parts[region.add] = (path, *branches)
        shifts[region.add] = _insert_shifts(result, nodes, start) if start is not None else ()
    fading = Fading(tidy(result), parts, shifts)
    fading.set_faded(0.0)
    return fading


def _insert_branches(
    graph_module: GraphModule, nodes: dict[str, Node], region: Region, start: Start, shortcut: Node
) -> tuple[str, ...]:
    names = []
    for index in start.reparam.units:
        unit = start.reparam.chain.units[index]
        conv, output = nodes[unit.conv], nodes[unit.output]
        module, carried = module_of(graph_module, conv), conv.all_input_nodes[0]
        assert isinstance(module, CONVOLUTIONS)
        through_shortcut = index not in start.maps and index == 0 and carried.name == region.fork
        if through_shortcut:
            _compute_shortcut_first(graph_module, region, nodes)
            carried = shortcut
        branch = _branch(module, start, index, through_shortcut)
        names.append(_insert_after(graph_module, output, f"{unit.conv}_identity", branch, carried))
    return tuple(names)


def _insert_shifts(graph_module: GraphModule, nodes: dict[str, Node], start: Start) -> tuple[tuple[str, int], ...]:
    shifts = []
    for gate in start.reparam.gates:
        if gate.after and gate.reader is not None:
            layer = module_of(graph_module, nodes[gate.reader])
            assert isinstance(layer, (nn.Linear, *CONVOLUTIONS))
            shift = ShiftedBias(layer.weight.detach().new_zeros(len(layer.weight)))
            path = _insert_after(graph_module, nodes[gate.reader], f"{gate.reader}_shift", shift)
            shifts.append((path, gate.after))
    return tuple(shifts)


def _branch(conv: Convolution, start: Start, index: int, sampled_already: bool) -> nn.Module:
    if index in start.maps:
        return StreamBranch(start.maps[index].weight, start.maps[index].bias, tuple(conv.stride))
    return GainedIdentity(start.gains[index], (1,) * len(conv.stride) if sampled_already else tuple(conv.stride))


def _compute_shortcut_first(graph_module: GraphModule, region: Region, nodes: dict[str, Node]) -> None:
    """Move the shortcut's nodes right behind the fork, for the body's first layer is going to read their result."""
    place = nodes[region.fork]
    for node in [node for node in graph_module.graph.nodes if node.name in region.shortcut]:
        place.append(node)
        place = node


def _insert_after(graph_module: GraphModule, node: Node, name: str, module: nn.Module, *others: Node) -> str:
    """Call ``module`` on ``node`` and ``others``, and let those who read ``node`` read that; returns its path."""
    path = add_module(graph_module, name, module)
    call = insert_call(graph_module, node, path, *others)
    node.replace_all_uses_with(call, delete_user_cb=lambda user: user is not call)
    return path

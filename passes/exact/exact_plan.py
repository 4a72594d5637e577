"""Plan an exact removal as data, and apply it to a graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.analysis.macs import layer_macs
from rdpass.passes.analysis.value_range import RANGE, Range
from rdpass.passes.graph.annotate import TensorMeta
from rdpass.passes.graph.editing import add_module, insert_call, place_module, turn_into_call
from rdpass.passes.graph.linear.linear_layers import data_inputs
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, module_of, shape_of

ExactRecipe = Literal["merge", "carry"]


@dataclass(frozen=True)
class Change:
    """``node`` calls ``module`` from now on (None: what it calls already) and gives ``channels`` channels.

    It reads ``source``, or where that is None what it reads already. With a ``host`` it takes over that node's place
    in the module tree and, without a ``source``, its input: so an add becomes the convolution that does its work, under
    its own name, and a name that was the fork of another region or a cut stays one.
    """

    node: str
    module: nn.Module | None
    channels: int
    source: str | None = None
    host: str | None = None


@dataclass(frozen=True)
class ExactPlan:
    """A plan for one shortcut: changes in graph order, at ``extra_macs`` more multiply-accumulates.

    ``target`` is the node that becomes the sum: the add, or a concatenation that the add is a part of. ``entry`` is a
    layer to stand behind the fork, for the body alone. Nodes in ``bypassed`` are absorbed by those
    before them. ``choice`` is what the recipe needs to make the same plan on the same graph with its numbers.
    """

    region: Region
    recipe: ExactRecipe
    target: str
    changes: tuple[Change, ...]
    bypassed: tuple[str, ...] = ()
    entry: nn.Module | None = None
    choice: Any = None
    extra_macs: int = 0


def priced(graph_module: GraphModule, plan: ExactPlan) -> ExactPlan:
    """The plan with its ``extra_macs``, which the graph's shapes tell."""
    nodes = {node.name: node for node in graph_module.graph.nodes}
    gone = {*plan.region.shortcut, *(change.host or change.node for change in plan.changes)}
    gone |= set(plan.region.body) if plan.recipe == "merge" else set()
    extra = -sum(layer_macs(module_of(graph_module, nodes[name]), shape_of(nodes[name])) for name in gone)
    for change in plan.changes:
        module = change.module or module_of(graph_module, nodes[change.node])
        extra += layer_macs(module, _widened(shape_of(nodes[change.node]), change.channels))
    if isinstance(plan.entry, CONVOLUTIONS):
        extra += layer_macs(plan.entry, _widened(shape_of(nodes[plan.region.fork]), plan.entry.out_channels))
    return replace(plan, extra_macs=extra)


def apply_plan(graph_module: GraphModule, plan: ExactPlan, known: Range) -> None:
    """Change the graph as planned, its annotation too. ``known`` is the range of the target's values, which stays."""
    nodes = {node.name: node for node in graph_module.graph.nodes}
    parts = nodes[plan.target].all_input_nodes
    if plan.entry is not None:
        _enter(graph_module, plan, nodes[plan.region.fork])
    for name in plan.bypassed:
        nodes[name].replace_all_uses_with(_input(nodes[name]))
    for change in plan.changes:
        if change.module is not None:
            _place(graph_module, nodes, change, change.module)
        _annotate(nodes[change.node], change.channels)
    nodes[plan.target].meta[RANGE] = known
    beside = [] if plan.target == plan.region.add else parts
    inside = [nodes[name] for name in (*plan.region.body, *plan.region.shortcut)]
    for node in sorted({*inside, *beside}, reverse=True):
        if not node.users:
            graph_module.graph.erase_node(node)


def _enter(graph_module: GraphModule, plan: ExactPlan, fork: Node) -> None:
    assert isinstance(plan.entry, CONVOLUTIONS)
    path = add_module(graph_module, f"{plan.region.add}_entry", plan.entry)
    node = insert_call(graph_module, fork, path)
    _annotate(node, plan.entry.out_channels)
    for user in list(fork.users):
        if user.name in plan.region.body:
            user.replace_input_with(fork, node)


def _place(graph_module: GraphModule, nodes: dict[str, Node], change: Change, module: nn.Module) -> None:
    node, host = nodes[change.node], nodes[change.host or change.node]
    source = nodes[change.source] if change.source is not None else _input(host)
    if host.op == "call_module":
        place_module(graph_module, host, module)
        path = str(host.target)
    else:
        path = add_module(graph_module, node.name, module)
    turn_into_call(graph_module, node, path, source)


def _input(node: Node) -> Node:
    (source,) = data_inputs(node)
    return source


def _annotate(node: Node, channels: int) -> None:
    meta = node.meta.get("tensor_meta")
    shape = _widened(shape_of(node), channels)
    if isinstance(meta, TensorMeta) and shape is not None:
        node.meta["tensor_meta"] = TensorMeta(shape, meta.dtype)


def _widened(shape: tuple[int, ...] | None, channels: int) -> tuple[int, ...] | None:
    return None if shape is None else (shape[0], channels, *shape[2:])

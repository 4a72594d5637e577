"""The two branches of an add: what lies between the node where its operands' values meet and the add itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from torch.fx import GraphModule, Node

from rdpass.core.plan import Skipped
from rdpass.passes.analysis.shortcuts.dominance import Dominators
from rdpass.passes.analysis.shortcuts.resolution import Sizes, positions, widest_path
from rdpass.passes.graph.dataflow import data_sources, data_users, gives_tensors
from rdpass.passes.graph.node_kinds import kind_of, module_of, shape_of

LAYERS = {"conv", "conv_transpose", "linear"}


@dataclass(frozen=True)
class Branches:
    """``body`` and ``shortcut`` in graph order, and what each gives to the add; the shortcut is the lighter branch.

    ``partial``: the add covers a part of the body's channels, and a concatenation completes them.
    """

    fork: Node
    body: tuple[Node, ...]
    shortcut: tuple[Node, ...]
    body_output: Node
    shortcut_output: Node
    partial: bool = False


def find_branches(
    graph_module: GraphModule, add: Node, dominators: Dominators, sizes: dict[Node, Sizes]
) -> Branches | Skipped:
    """The branches of ``add``, or the reason why it is no shortcut (1 to 5 as numbered in ``census``)."""
    operands = _operands(add, dominators)
    if isinstance(operands, str):
        return Skipped(add.name, operands)
    fork = dominators[add]
    if fork is None:
        return Skipped(add.name, "its operands come from different inputs")
    first, second = (_between(fork, operand, dominators) for operand in operands)
    if _weight(graph_module, first) < _weight(graph_module, second):
        operands, first, second = (operands[1], operands[0]), second, first
    branches = Branches(fork, tuple(first), tuple(second), *operands)
    reason = _shared(branches) or _cross_scale(graph_module, add, branches, sizes)
    return Skipped(add.name, reason) if reason else _closed(add, branches)


def _operands(add: Node, dominators: Dominators) -> tuple[Node, Node] | str:
    if len(add.args) != 2 or not all(isinstance(arg, Node) for arg in add.args):
        return "one operand is a number"
    a, b = add.args
    assert isinstance(a, Node)
    assert isinstance(b, Node)
    shape = shape_of(add)
    if shape is None or shape_of(a) is None or shape_of(b) is None:
        return "not an add of two tensors"
    for operand in (a, b):
        if operand not in dominators:
            return f"{operand.name} is a constant or parameter (positional embedding, bias)"
    for operand in (a, b):
        if shape_of(operand) != shape:
            return f"{operand.name} is broadcast from {shape_of(operand)} to {shape}"
    if len(shape) < 3:
        return f"a rank {len(shape)} tensor is no feature map"
    return (a, b) if a is not b else "both operands are the same tensor"


def _between(fork: Node, operand: Node, dominators: Dominators) -> dict[Node, None]:
    """The nodes on paths of values from ``fork`` (exclusive) to ``operand`` (inclusive), in graph order."""
    found: set[Node] = set()
    pending = [operand]
    while pending:
        node = pending.pop()
        if node is fork or node in found or node not in dominators:
            continue
        found.add(node)
        pending.extend(data_sources(node))
    return dict.fromkeys(sorted(found))  # nodes compare by their place in the graph


def _weight(graph_module: GraphModule, branch: dict[Node, None]) -> tuple[int, int, int]:
    """Layers, then taps of their kernels, then nodes: the branch that has less is the shortcut."""
    modules = [module_of(graph_module, node) for node in branch if kind_of(node) in LAYERS]
    return len(modules), sum(prod(getattr(module, "kernel_size", (1,))) for module in modules), len(branch)


def _shared(branches: Branches) -> str:
    body = set(branches.body)
    shared = next((node for node in branches.shortcut if node in body), None)
    return f"both sides use {shared.name}" if shared is not None else ""


def _cross_scale(graph_module: GraphModule, add: Node, branches: Branches, sizes: dict[Node, Sizes]) -> str:
    ends = [positions(sizes[end]) for end in (branches.fork, add) if end in sizes]
    for output, branch in ((branches.body_output, branches.body), (branches.shortcut_output, branches.shortcut)):
        narrowest, node = widest_path(graph_module, branches.fork, output, branch, sizes)
        if ends and node is not None and narrowest < min(ends):
            return f"cross-scale: {node.name} lies below the resolution of both ends"
    return ""


def _closed(add: Node, branches: Branches) -> Branches | Skipped:
    """The branches, if nothing outside them reads what they compute."""
    inside = {*branches.body, *branches.shortcut, add}
    partial = False
    for node in (*branches.body, *branches.shortcut):
        for user in node.users:
            if user in inside or not (gives_tensors(user) or user.op == "output") or node not in data_sources(user):
                continue
            if not _completes(add, branches.body_output, node, user):
                between = f"{node.name}, between {branches.fork.name} and the add, is also used by {user.name}"
                return Skipped(add.name, between)
            partial = True
    return replace(branches, partial=partial)


def _completes(add: Node, operand: Node, node: Node, user: Node) -> bool:
    """Tell whether ``user`` takes the channels of the body that the add leaves alone, put beside the sum (ReXNet)."""
    if kind_of(user) != "slice" or kind_of(operand) != "slice":
        return False
    after = data_users(user)
    return node in data_sources(operand) and len(after) == 1 and data_users(add) == after and _joins(after)


def _joins(nodes: list[Node]) -> bool:
    return all(kind_of(node) == "concat" for node in nodes)

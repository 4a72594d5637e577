"""Classify the shortcut of a region, and find what scales its branches.

A branch is linear if it is one linear map of the fork plus a constant. The cases, in order:

1. Both branches linear: ``merge``. One convolution could do the work of both, shortcut and body.
2. The shortcut computes nothing, but for a scale (x + x is one): ``identity``.
3. It pads, slices or pools, scaled or not: ``padded``. So does one that is added to a part of the body's channels.
4. It is linear, or pools, with at most two layers of weights: ``projection``.
"""

from __future__ import annotations

from torch.fx import GraphModule, Node

from rdpass.core.plan import Kind, Skipped
from rdpass.passes.analysis.shortcuts.branches import LAYERS, Branches
from rdpass.passes.analysis.shortcuts.dominance import Dominators
from rdpass.passes.graph.dataflow import data_sources
from rdpass.passes.graph.node_kinds import callee, kind_of, module_of, shape_of

PASSING = {"pass", "view"}
# Leave a map a multiple of itself: x + x.
MULTIPLYING = {"pass", "add"}
PADDING = PASSING | {"pad", "slice", "pool", "concat"}
# Linear in their one operand, and in all of theirs together.
LINEAR = LAYERS | PASSING | {"batch_norm", "pad", "slice", "rearrange", "resize"}
LINEAR_TOGETHER = {"add", "sub", "concat"}
# The layers of weights that a projection may have: a depthwise and a pointwise one (GhostNet).
PROJECTION_LAYERS = 2


def kind_of_shortcut(
    graph_module: GraphModule, add: Node, branches: Branches, dominators: Dominators
) -> Kind | Skipped:
    """The kind, or the reason why the two branches are no body and shortcut."""
    if not any(_has_weights(graph_module, node) for node in branches.body):
        return Skipped(add.name, "no layer with weights between fork and add")
    foreign = [node for node in branches.shortcut if not is_linear(graph_module, node, dominators)]
    if not foreign and all(is_linear(graph_module, node, dominators) for node in branches.body):
        return "merge"
    kinds = {kind_of(node) for node in branches.shortcut if not scales(node, dominators)}
    if kinds <= PASSING or (kinds <= MULTIPLYING and not _shifted(branches.shortcut, dominators)):
        return "padded" if branches.partial else "identity"
    if kinds <= PADDING:
        return "padded"
    layers = sum(kind_of(node) in LAYERS for node in branches.shortcut)
    foreign = [node for node in foreign if kind_of(node) != "pool"]
    if not foreign and layers <= PROJECTION_LAYERS:
        return "projection"
    lighter = foreign[0].name if foreign else f"{layers} layers in a row"
    return Skipped(add.name, f"both sides compute (a fusion): {lighter} is on the lighter one")


def is_linear(graph_module: GraphModule, node: Node, dominators: Dominators) -> bool:
    """Tell whether the node is linear, but for a constant, in all that it reads and that depends on an input."""
    kind = kind_of(node)
    if kind == "pool":
        return _averages(graph_module, node)
    if kind in LINEAR_TOGETHER or scales(node, dominators):
        return True
    return kind in LINEAR and len(_computed(node, dominators)) == 1


def scales(node: Node, dominators: Dominators) -> bool:
    """Tell whether the node multiplies by a constant that has one value, or one a channel."""
    kind, computed = kind_of(node), _computed(node, dominators)
    if kind not in ("mul", "div") or len(computed) != 1 or node.args.count(computed[0]) != 1:
        return False
    if kind == "div" and node.args[0] is not computed[0]:
        return False
    factors = [source for source in node.all_input_nodes if source not in computed]
    shapes = [shape_of(factor) or () for factor in factors]
    return all(sum(size != 1 for size in shape) <= 1 for shape in shapes)


def scales_of(branches: Branches, dominators: Dominators) -> tuple[str, ...]:
    """The nodes that scale all of one branch, at its end (layer scale, β, alpha), in graph order."""
    found: list[Node] = []
    for output, branch in (
        (branches.body_output, set(branches.body)),
        (branches.shortcut_output, set(branches.shortcut)),
    ):
        node = output
        while node in branch and len(_computed(node, dominators)) == 1:
            if scales(node, dominators):
                found.append(node)
            elif kind_of(node) not in PASSING:
                break
            (node,) = _computed(node, dominators)
    return tuple(node.name for node in sorted(found))


def _shifted(branch: tuple[Node, ...], dominators: Dominators) -> bool:
    """Tell whether something that does not depend on an input is added in it."""
    adds = (node for node in branch if kind_of(node) == "add")
    return any(arg not in dominators for node in adds for arg in node.args)


def _computed(node: Node, dominators: Dominators) -> list[Node]:
    return [source for source in data_sources(node) if source in dominators]


def _averages(graph_module: GraphModule, node: Node) -> bool:
    module = module_of(graph_module, node)
    name = type(module).__name__ if module is not None else callee(node)
    return "max" not in name.lower() and name != "boolean_dispatch"


def _has_weights(graph_module: GraphModule, node: Node) -> bool:
    """A layer with weights of its own, or one that the graph hands its weights to."""
    module = module_of(graph_module, node)
    if module is not None:
        return next(module.parameters(), None) is not None
    return kind_of(node) in LAYERS | {"batch_norm", "other_norm"}

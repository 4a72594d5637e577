"""The body of a region as the steps that a carried shortcut has to pass.

A step is a convolution, what scales and shifts each channel by itself (``affine``: a batch norm that stands alone, a
layer scale), an activation, a gate (squeeze-and-excitation: a product with what is pooled from the same map), or
nothing (``pass``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.graph.linear.linear_layers import constant_factor, data_inputs
from rdpass.passes.graph.linear.linear_map import NotExact
from rdpass.passes.graph.node_kinds import kind_of, module_of

StepKind = Literal["conv", "affine", "activation", "gate", "pass"]
KINDS: dict[str, StepKind] = {"conv": "conv", "batch_norm": "affine", "activation": "activation", "pass": "pass"}
WHY_NOT = {
    "concat": "a concatenation",
    "pool": "a pooling",
    "other_norm": "a norm like GroupNorm, by its own statistics: it would change what is carried",
    "attention": "attention",
    "slice": "a slice",
    "add": "another add",
    "conv_transpose": "a transposed convolution",
}


@dataclass(frozen=True)
class Step:
    """``node`` gives the step's value, computed from ``source``; ``gate`` are the nodes that a gate is made of."""

    kind: StepKind
    node: Node
    source: Node
    gate: tuple[Node, ...] = ()


def body_path(graph_module: GraphModule, region: Region, end: Node) -> tuple[Step, ...]:
    """The steps from the region's fork to ``end``, what the body gives to the sum, in order.

    Raises:
        NotExact: the body branches, or holds what no carried channel can pass; the message names the node.
    """
    nodes = {node.name: node for node in graph_module.graph.nodes}
    inside = {nodes[name] for name in region.body}
    before = nodes[region.fork]
    steps: list[Step] = []
    while before is not end:
        users = [user for user in before.users if user in inside]
        step = _single(graph_module, users[0], before) if len(users) == 1 else _gate(users, before)
        steps.append(step)
        before = step.node
    return tuple(steps)


def _single(graph_module: GraphModule, node: Node, source: Node) -> Step:
    kind = kind_of(node)
    if kind == "mul" and constant_factor(graph_module, node, source) is not None:
        return Step("affine", node, source)
    if data_inputs(node) != [source]:
        raise NotExact(f"the body branches at {node.name}")
    if kind not in KINDS:
        what = WHY_NOT.get(kind, f"{node.name} ({kind})")
        raise NotExact(f"{what} in the body ({node.name}), which a carried channel can't pass")
    if kind == "conv" and module_of(graph_module, node) is None:
        raise NotExact(f"{node.name} computes its weights in the graph")
    return Step(KINDS[kind], node, source)


def _gate(users: list[Node], source: Node) -> Step:
    """``source * gate(source)``, where the gate is pooled to one number per channel."""
    product = next((user for user in users if kind_of(user) == "mul"), None)
    others = [] if product is None else [arg for arg in product.all_input_nodes if arg is not source]
    if product is None or len(users) != 2 or len(others) != 1:
        raise NotExact(f"the body branches at {source.name}")
    chain = []
    node = others[0]
    while node is not source:
        inputs = data_inputs(node)
        if len(inputs) != 1 or len(node.users) != 1:
            raise NotExact(f"the body branches at {source.name}")
        chain.append(node)
        node = inputs[0]
    return Step("gate", product, source, tuple(reversed(chain)))

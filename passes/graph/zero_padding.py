"""Zeros that a pad adds, however it is spelled."""

from __future__ import annotations

from typing import Any

from torch.fx import GraphModule, Node

from rdpass.passes.graph.node_kinds import PADS, callee, kind_of, module_of

Branches = tuple[int, ...]  # a number per spatial axis, first axis first


def zero_padding(graph_module: GraphModule, node: Node, dims: int) -> tuple[Branches, Branches] | None:
    """Zeros before and after, per spatial axis; None for what pads otherwise, or by amounts that the graph computes."""
    if kind_of(node) != "pad":
        return None
    amounts, value, mode = pad_arguments(graph_module, node)
    if mode != "constant" or value not in (0, None) or not all(isinstance(amount, int) for amount in amounts):
        return None
    if len(amounts) % 2 or len(amounts) > 2 * dims or min(amounts, default=0) < 0:
        return None
    every = [*amounts, *[0] * (2 * dims - len(amounts))]  # the last axis comes first
    return tuple(every[-2::-2]), tuple(every[::-2])


def pad_arguments(graph_module: GraphModule, node: Node) -> tuple[tuple[Any, ...], Any, str]:
    """A pad's amounts, in torch's order, the value that it fills with, and its mode."""
    module: Any = module_of(graph_module, node)
    if isinstance(module, PADS):
        return tuple(module.padding), getattr(module, "value", 0), "constant"
    names = ("input", "pad", "value") if callee(node) == "constant_pad_nd" else ("input", "pad", "mode", "value")
    given: dict[str, Any] = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    return tuple(given["pad"]), given.get("value") or 0, given.get("mode", "constant")

"""Labels of a node: a few characters on its chip, the full text in its tooltip."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.passes.analysis.macs import macs_of_node
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, TRANSPOSED, bytes_of, callee, kind_of, module_of, shape_of

TIMES, MINUS = "\N{MULTIPLICATION SIGN}", "\N{MINUS SIGN}"
SHORT = {"add": "+", "mul": TIMES, "sub": MINUS, "div": "÷", "batch_norm": "bn", "concat": "concat"}


def chip_label(graph_module: GraphModule, node: Node) -> str:
    """``3×3/2 64`` for a convolution, ``bn``, ``relu``, ``+``."""
    module, kind = module_of(graph_module, node), kind_of(node)
    if isinstance(module, (*CONVOLUTIONS, *TRANSPOSED)):
        return _convolution(module)
    if kind in SHORT:
        return SHORT[kind]
    if isinstance(module, nn.Linear):
        return f"linear {module.out_features}"
    if node.op == "placeholder":
        return "input"
    name = type(module).__name__ if module is not None else callee(node)
    return _pool(module, name) if kind == "pool" else name.lower().strip("_")[:18]


def tooltip(graph_module: GraphModule, node: Node, part: str) -> str:
    """Name, layer, shape, bytes, multiply-accumulates, and the part it plays."""
    module = module_of(graph_module, node)
    macs, _ = macs_of_node(graph_module, node)
    lines = [
        node.name,
        " ".join(repr(module).split())[:200] if module is not None else callee(node),
        f"gives {times(shape_of(node) or ())}, {bytes_of(node) / 1e6:.3f} MB",
        f"{macs / 1e6:.2f} M multiply-accumulates" if macs else "",
        part,
    ]
    return "\n".join(line for line in lines if line)


def module_path(node: Node) -> str:
    """The module that the node came from; its own name where there is none."""
    stack = node.meta.get("nn_module_stack") or {}
    path = str(list(stack.values())[-1][0]) if stack else ""
    return path.removeprefix("L['self'].") or node.name


def times(sizes: Iterable[int]) -> str:
    """``64×56×56``"""
    return TIMES.join(map(str, sizes))


def _convolution(module: nn.Module) -> str:
    kernel, stride = tuple(module.kernel_size), tuple(module.stride)  # type: ignore[arg-type]
    step = f"/{stride[0]}" if any(s != 1 for s in stride) else ""
    groups = int(module.groups)  # type: ignore[arg-type]
    grouped = "" if groups == 1 else " dw" if groups == module.in_channels else f" g{groups}"
    up = "up " if isinstance(module, TRANSPOSED) else ""
    return f"{up}{times(kernel)}{step}{grouped} {module.out_channels}"


def _pool(module: nn.Module | None, name: str) -> str:
    short = name.lower().replace("adaptive", "").replace("_", "").rstrip("123d") or name
    size = getattr(module, "kernel_size", None)
    if size is None:
        return short
    sizes = (size, size) if isinstance(size, int) else tuple(size)
    return f"{short} {times(sizes)}"

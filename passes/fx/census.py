"""Which adds are residual: decided by dataflow and shapes, never by the names or classes of modules.

An add is a shortcut when the following hold; the first that fails is the reason it is skipped with.

1. Both operands are computed from the input, have the add's shape (nothing is broadcast) and rank 3 or more.
2. Their values meet in one node, the fork: the add's immediate dominator.
3. Between fork and add lie two sides that share no node, and no tensor of theirs is used elsewhere.
4. The main chain of neither side goes below the resolution of both fork and add (UNet, FPN, HRNet would). A gate,
   multiplied in by broadcast (squeeze-and-excitation), is not part of the main chain.
5. The lighter side is empty (identity), or linear with one layer of weights at most (projection), or only pads,
   slices or pools (padded); the other side has at least one layer with weights.

What is residual in form but has attention or LayerNorm in its body is a region with the verdict 'kept'.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from math import prod

from torch.fx import GraphModule, Node

from rdpass.passes.fx.dominance import immediate_dominators
from rdpass.passes.fx.operators import bytes_of, kind_of, shape_of
from rdpass.types import Kind, Region, Skipped, Traced, Verdict

Dominators = dict[Node, Node | None]  # of every node that depends on an input, and of no other

WEIGHTED = {"conv", "linear"}
LINEAR = {"conv", "linear", "batch_norm", "pool", "pad", "slice", "pass", "view", "concat"}
PROJECTING = {"conv", "linear", "batch_norm", "pool", "pass", "pad"}
PADDING = {"pad", "slice", "pool", "pass", "concat"}
KEPT_REASONS = {
    "attention": "attention in the body: no exact form, and no recipe that keeps its accuracy",
    "other_norm": "LayerNorm or GroupNorm in the body: it does not fold into a convolution",
}


class _NotResidual(Exception):
    """Carries the reason out of the checks below; never leaves this file."""


@dataclass(frozen=True)
class _Sides:
    fork: Node
    body: tuple[Node, ...]
    shortcut: tuple[Node, ...]
    shortcut_output: Node


def take_census(
    traced: Traced, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()
) -> tuple[tuple[Region, ...], tuple[Skipped, ...]]:
    """Every add of the graph, each once, in graph order: regions, and what is none with its reason.

    ``only`` and ``skip`` are globs on node names or module paths. A region that ``only`` names is removable even where
    the verdict would be 'kept'; one that it does not name, or that ``skip`` does, is kept.
    """
    graph_module = traced.module
    dominators = immediate_dominators(graph_module.graph)
    regions: list[Region] = []
    skipped: list[Skipped] = []
    for node in graph_module.graph.nodes:
        if kind_of(graph_module, node) != "add":
            continue
        try:
            region = _region(graph_module, node, dominators)
        except _NotResidual as reason:
            skipped.append(Skipped(node.name, str(reason)))
        else:
            regions.append(_select(region, only, skip))
    return tuple(regions), tuple(skipped)


def _region(graph_module: GraphModule, add: Node, dominators: Dominators) -> Region:
    operands = _operands(add, dominators)
    sides = _sides(graph_module, add, operands, dominators)
    _check_resolution(graph_module, add, operands, sides)
    verdict, reason = _verdict(graph_module, sides)
    return Region(
        add=add.name,
        fork=sides.fork.name,
        body=tuple(node.name for node in sides.body),
        shortcut=tuple(node.name for node in sides.shortcut),
        kind=_kind(graph_module, sides),
        shape=shape_of(add) or (),
        bytes=min(bytes_of(sides.fork), bytes_of(sides.shortcut_output)),
        path=_path(sides.body),
        verdict=verdict,
        reason=reason,
    )


def _operands(add: Node, dominators: Dominators) -> tuple[Node, Node]:
    if len(add.args) != 2 or not all(isinstance(arg, Node) for arg in add.args):
        raise _NotResidual("one operand is a number")
    a, b = add.args
    assert isinstance(a, Node)
    assert isinstance(b, Node)
    shape = shape_of(add)
    for operand in (a, b):
        if operand not in dominators:
            raise _NotResidual(f"{operand.name} is a constant or parameter (positional embedding, bias)")
    if shape is None or shape_of(a) is None or shape_of(b) is None:
        raise _NotResidual("not an add of two tensors")
    for operand in (a, b):
        if shape_of(operand) != shape:
            raise _NotResidual(f"{operand.name} is broadcast from {shape_of(operand)} to {shape}")
    if len(shape) < 3:
        raise _NotResidual(f"a rank {len(shape)} tensor is no feature map")
    if a is b:
        raise _NotResidual("both operands are the same tensor")
    return a, b


def _sides(graph_module: GraphModule, add: Node, operands: tuple[Node, Node], dominators: Dominators) -> _Sides:
    fork = dominators[add]
    if fork is None:
        raise _NotResidual("its operands come from different inputs")
    first, second = (_between(fork, operand, dominators) for operand in operands)
    shared = first.keys() & second.keys()
    if shared:
        raise _NotResidual(f"both sides use {next(iter(shared)).name}")
    inside = {*first, *second}
    for node in (*first, *second):
        outside = next((user for user in node.users if user not in inside and user is not add), None)
        if outside is not None and not _only_reads_shape(graph_module, outside):
            raise _NotResidual(f"{node.name}, between {fork.name} and the add, is also used by {outside.name}")
    if _weights(graph_module, first) < _weights(graph_module, second):
        return _Sides(fork, _ordered(second), _ordered(first), operands[0])
    return _Sides(fork, _ordered(first), _ordered(second), operands[1])


def _between(
    fork: Node,
    operand: Node,
    allowed: Container[Node],
    sources: Callable[[Node], list[Node]] = lambda node: node.all_input_nodes,
) -> dict[Node, None]:
    """The ``allowed`` nodes on paths from ``fork`` (exclusive) to ``operand`` (inclusive), followed by ``sources``."""
    found: dict[Node, None] = {}
    pending = [operand]
    while pending:
        node = pending.pop()
        if node is fork or node in found or node not in allowed:
            continue
        found[node] = None
        pending.extend(sources(node))
    return found


def _ordered(nodes: dict[Node, None]) -> tuple[Node, ...]:
    """Graph order, without a pass over the whole graph: ``Node`` compares by position."""
    return tuple(sorted(nodes))


def _weights(graph_module: GraphModule, nodes: dict[Node, None]) -> int:
    """Layers with weights; a side without any but with nodes is heavier than an empty one."""
    return 2 * sum(kind_of(graph_module, node) in WEIGHTED for node in nodes) + bool(nodes)


def _only_reads_shape(graph_module: GraphModule, node: Node) -> bool:
    return kind_of(graph_module, node) == "shape" and not hasattr(node.meta.get("tensor_meta"), "shape")


def _kind(graph_module: GraphModule, sides: _Sides) -> Kind:
    shortcut = {kind_of(graph_module, node) for node in sides.shortcut}
    body = {kind_of(graph_module, node) for node in sides.body}
    if not body & WEIGHTED:
        raise _NotResidual("no layer with weights between fork and add")
    if not shortcut - {"pass"}:
        return "identity"
    if not shortcut & WEIGHTED and shortcut <= PADDING:
        return "padded"
    weighted = [node for node in sides.shortcut if kind_of(graph_module, node) in WEIGHTED]
    if shortcut <= PROJECTING and len(weighted) <= 2:
        return "projection"
    raise _NotResidual(f"both sides compute (a fusion): {_first_foreign(graph_module, sides)} is on the lighter one")


def _first_foreign(graph_module: GraphModule, sides: _Sides) -> str:
    foreign = [node.name for node in sides.shortcut if kind_of(graph_module, node) not in PROJECTING]
    return foreign[0] if foreign else sides.shortcut[0].name


def _check_resolution(graph_module: GraphModule, add: Node, operands: tuple[Node, Node], sides: _Sides) -> None:
    ends = min(_resolution(sides.fork), _resolution(add))
    inside = {*sides.body, *sides.shortcut}
    for operand in operands:
        for node in _between(sides.fork, operand, inside, partial(_main_sources, graph_module)):
            if 0 < _resolution(node) < ends:
                raise _NotResidual(f"cross-scale: {node.name} lies below the resolution of both ends")


def _main_sources(graph_module: GraphModule, node: Node) -> list[Node]:
    """What ``node`` reads, gates (operands that a product broadcasts) left out."""
    sources = node.all_input_nodes
    if kind_of(graph_module, node) != "mul":
        return sources
    return [source for source in sources if shape_of(source) == shape_of(node)]


def _resolution(node: Node) -> int:
    """Number of positions of a map (N, C, …); 0 where there are none to speak of."""
    shape = shape_of(node)
    return int(prod(shape[2:])) if shape is not None and len(shape) > 3 else 0


def _verdict(graph_module: GraphModule, sides: _Sides) -> tuple[Verdict, str]:
    kinds = {kind_of(graph_module, node) for node in sides.body}
    for kind, reason in KEPT_REASONS.items():
        if kind in kinds:
            return "kept", reason
    layers = sum(kind_of(graph_module, node) in WEIGHTED for node in sides.body)
    return "removable", f"around {layers} layer{'s' if layers != 1 else ''}"


def _path(body: tuple[Node, ...]) -> str:
    """The module path that all of the body lies under, for people and globs; empty where that is the whole model."""
    paths = [_module_path(node).split(".") for node in body]
    common: list[str] = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return ".".join(common)


def _module_path(node: Node) -> str:
    """The path of the innermost module that was running when the tracer met the node."""
    stack = node.meta.get("nn_module_stack") or {}
    return str(list(stack.values())[-1][0]) if stack else ""


def _select(region: Region, only: tuple[str, ...], skip: tuple[str, ...]) -> Region:
    def named(globs: tuple[str, ...]) -> bool:
        return any(fnmatchcase(name, glob) for glob in globs for name in (region.add, region.path))

    if named(skip):
        return replace(region, verdict="kept", reason="left out by --skip")
    if only and not named(only):
        return replace(region, verdict="kept", reason="not selected by --only")
    return replace(region, verdict="removable") if only else region

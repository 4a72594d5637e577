"""Find the residual adds: decided by dataflow and shapes, never by the names or classes of modules.

An add is a shortcut when the following hold; the first that fails is the reason it is skipped with.

1. Both operands are computed from the input, have the add's shape (nothing is broadcast) and rank 3 or more.
2. Their values meet in one node, the fork: the add's immediate dominator.
3. Between fork and add lie two branches that share no node.
4. Neither branch goes below the resolution of both fork and add (UNet, FPN, HRNet would). A gate that multiplies a map
   (squeeze-and-excitation) may: the best path through a branch counts. So may what lacks padding: it samples nothing.
5. No tensor of theirs is used elsewhere, but for channels that the add leaves alone and a concatenation puts beside the
   sum (ReXNet). Reading a shape is no use.
6. The heavier branch has a layer with weights, and the lighter one is a shortcut (``shortcut_kind``).

What is residual in form but has attention, LayerNorm or a token's MLP in its body is a region with the verdict 'kept'.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

from torch.fx import GraphModule, Node

from rdpass.core.plan import Kind, Region, Skipped, Traced, Verdict
from rdpass.passes.analysis.shortcuts.branches import LAYERS, find_branches
from rdpass.passes.analysis.shortcuts.dominance import Dominators, immediate_dominators
from rdpass.passes.analysis.shortcuts.resolution import Sizes, resolutions
from rdpass.passes.analysis.shortcuts.shortcut_kind import kind_of_shortcut, scales_of
from rdpass.passes.graph.editing import prefixes
from rdpass.passes.graph.node_kinds import annotate_kinds, bytes_of, kind_of, module_of, shape_of

KEPT_REASONS = {
    "attention": "attention in the body: no exact form, and no recipe that keeps its accuracy",
    "other_norm": "LayerNorm, GroupNorm, InstanceNorm or BatchNorm without running statistics in the body: it does not"
    " fold into a convolution",
}
TOKENS_REASON = "linear layers alone in the body (the MLP of a transformer's block): no recipe for it"


def take_census(
    traced: Traced, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()
) -> tuple[tuple[Region, ...], tuple[Skipped, ...]]:
    """Every add of the graph, each once, in graph order: regions, and what is none with its reason.

    ``only`` and ``skip`` are globs on the adds' names or on paths of modules, all that lies in them meant. A region
    that ``only`` names is removable even where the verdict would be 'kept'; one that it does not name, or that
    ``skip`` does, is kept.
    """
    graph_module = traced.module
    annotate_kinds(graph_module)
    dominators, sizes = immediate_dominators(graph_module.graph), resolutions(graph_module)
    regions: list[Region] = []
    skipped: list[Skipped] = []
    for node in graph_module.graph.nodes:
        if kind_of(node) != "add":
            continue
        found = _verdict_on(graph_module, node, dominators, sizes)
        if isinstance(found, Region):
            regions.append(_select(found, only, skip))
        else:
            skipped.append(found)
    return tuple(regions), tuple(skipped)


def _verdict_on(
    graph_module: GraphModule, add: Node, dominators: Dominators, sizes: dict[Node, Sizes]
) -> Region | Skipped:
    branches = find_branches(graph_module, add, dominators, sizes)
    if isinstance(branches, Skipped):
        return branches
    kind = kind_of_shortcut(graph_module, add, branches, dominators)
    if isinstance(kind, Skipped):
        return kind
    verdict, reason = _verdict(graph_module, kind, branches.body)
    return Region(
        add=add.name,
        fork=branches.fork.name,
        body=tuple(node.name for node in branches.body),
        shortcut=tuple(node.name for node in branches.shortcut),
        kind=kind,
        shape=shape_of(add) or (),
        bytes=min(bytes_of(branches.fork), bytes_of(branches.shortcut_output)),
        path=_path(branches.body),
        verdict=verdict,
        reason=reason,
        scale=scales_of(branches, dominators),
    )


def _verdict(graph_module: GraphModule, kind: Kind, body: tuple[Node, ...]) -> tuple[Verdict, str]:
    kinds = [kind_of(node) for node in body]
    if kind == "merge":
        return "removable", "both sides are linear"
    for kept, reason in KEPT_REASONS.items():
        if kept in kinds:
            return "kept", reason
    opaque = next((node for node in body if _is_opaque(graph_module, node)), None)
    if opaque is not None:
        name = type(module_of(graph_module, opaque)).__name__
        return "kept", f"{opaque.name} in the body, a {name}, was not looked into"
    if "conv" not in kinds and "conv_transpose" not in kinds:
        return "kept", TOKENS_REASON
    layers = sum(found in LAYERS for found in kinds)
    return "removable", f"around {layers} layer{'s' if layers != 1 else ''}"


def _is_opaque(graph_module: GraphModule, node: Node) -> bool:
    """A module that was traced as one node, has weights, and is no layer that has a name here."""
    module = module_of(graph_module, node)
    unknown = module is not None and kind_of(node) == "other"
    return unknown and module is not None and next(module.parameters(), None) is not None


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
    if is_named(region, skip):
        return replace(region, verdict="kept", reason="left out by --skip")
    if only and not is_named(region, only):
        return replace(region, verdict="kept", reason="not selected by --only")
    return replace(region, verdict="removable") if only else region


def is_named(region: Region, globs: tuple[str, ...]) -> bool:
    """Tell whether one of ``globs`` matches the add's name, or the path of a module that the body lies in."""
    names = (region.add, *prefixes(region.path))
    return any(fnmatchcase(name, glob) for glob in globs for name in names)

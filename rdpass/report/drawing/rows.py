"""The rows of a drawing: one per kernel in the order they run, the model's inputs before them."""

from __future__ import annotations

from dataclasses import dataclass

from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.analysis.cost import FusionVariants
from rdpass.passes.analysis.memory.held_bytes import held_bytes
from rdpass.passes.graph.node_kinds import kind_of
from rdpass.report.drawing.lanes import Wire


@dataclass(frozen=True)
class Row:
    """A kernel's nodes (views of its result after them) and the bytes live while it runs.

    ``held`` of them are held by shortcuts alone. ``plain`` and ``tiled`` are live bytes of the other network where
    it runs the same layer, without and with tiled kernels; None where it has no such layer. ``follows`` says whether
    the kernel reads what the row above gives.
    """

    buffer: str
    nodes: tuple[Node, ...]
    live: int
    held: int
    plain: int | None
    tiled: int | None
    follows: bool


def rows_of(
    graph_module: GraphModule, regions: tuple[Region, ...], model: FusionVariants, plain: FusionVariants
) -> list[Row]:
    """The rows of a model beside another network of its layers, its plain student for one."""
    nodes = {node.name: node for node in graph_module.graph.nodes}
    views = _views(model, nodes)
    live = model.fused.schedule.live
    held = _held(model, regions)
    without, tiled = _live_by_node(plain, "fused"), _live_by_node(plain, "tiled")
    rows = [Row(name, (nodes[name], *views.get(name, ())), 0, 0, None, None, False) for name in model.inference.inputs]
    for place, step in enumerate(model.fused.running):
        shown = (*(nodes[name] for name in step.nodes), *views.get(step.writes, ()))
        follows = bool(rows) and rows[-1].buffer in step.reads
        leader = step.nodes[0]
        rows.append(
            Row(step.writes, shown, live[place], held.get(place, 0), without.get(leader), tiled.get(leader), follows)
        )
    return rows


def wires_of(rows: list[Row], model: FusionVariants, regions: tuple[Region, ...]) -> list[Wire]:
    """The buffers that are read further down than in the next row, or by a shortcut or its add."""
    place = {row.buffer: index for index, row in enumerate(rows)}
    by_shortcut = _shortcut_reads(model, regions)
    readers: dict[str, list[tuple[int, bool]]] = {}
    for step in model.fused.running:
        for buffer in step.reads:
            is_shortcut = any((buffer, node) in by_shortcut for node in step.nodes)
            readers.setdefault(buffer, []).append((place[step.writes], is_shortcut))
    found = []
    for buffer, read in readers.items():
        plain = tuple(row for row, is_shortcut in read if not is_shortcut and row > place[buffer] + 1)
        shortcut = tuple(row for row, is_shortcut in read if is_shortcut)
        if plain or shortcut:
            found.append(Wire(buffer, place[buffer], plain, shortcut))
    return found


def _views(model: FusionVariants, nodes: dict[str, Node]) -> dict[str, list[Node]]:
    """Nodes that have no kernel, by the row whose map they look at; identities and dropout are not shown."""
    row_of = {name: step.writes for step in model.fused.steps for name in step.nodes}
    found: dict[str, list[Node]] = {}
    for name, buffer in model.inference.buffer_of.items():
        if name not in row_of and name != buffer and kind_of(nodes[name]) != "pass":
            found.setdefault(row_of.get(buffer, buffer), []).append(nodes[name])
    return found


def _held(model: FusionVariants, regions: tuple[Region, ...]) -> dict[int, int]:
    total: dict[int, int] = {}
    for held in held_bytes(model.inference, model.fused, regions):
        for place, count in held.bytes_at.items():
            total[place] = total.get(place, 0) + count
    return total


def _live_by_node(variants: FusionVariants, way: str) -> dict[str, int]:
    fused = variants.fused if way == "fused" else variants.tiled
    return {name: live for step, live in zip(fused.running, fused.schedule.live, strict=True) for name in step.nodes}


def _shortcut_reads(model: FusionVariants, regions: tuple[Region, ...]) -> set[tuple[str, str]]:
    """Pairs of a buffer and a node that reads it on a shortcut's behalf."""
    buffer_of = model.inference.buffer_of
    found = set()
    for region in regions:
        carried = (region.fork, *region.shortcut)
        for name in carried:
            for reader in (*region.shortcut, region.add):
                if name in buffer_of:
                    found.add((buffer_of[name], reader))
    return found

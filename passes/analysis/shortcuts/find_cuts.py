"""Cuts: the ends of a network's stages, where teacher and student hold maps of one shape under one name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from torch.fx import GraphModule

from rdpass.core.errors import ConfigError
from rdpass.core.plan import Cut, Region
from rdpass.passes.graph.dataflow import depending_on
from rdpass.passes.graph.node_kinds import kind_of, shape_of


def find_cuts(graph_module: GraphModule, regions: Sequence[Region]) -> tuple[Cut, ...]:
    """The last add of each run of regions of one shape: after the last batch norm, before any activation.

    Each lies before or behind every other: what ends one of several parallel branches (HRNet) ends no stage. Where
    there is nothing else, the last one alone.
    """
    names = {node.name for node in graph_module.graph.nodes}
    regions = [region for region in regions if region.add in names]
    ends = [a for a, b in zip(regions, [*regions[1:], None], strict=False) if b is None or a.shape != b.shape]
    behind = {end.add: depending_on(graph_module, end.add) for end in ends}
    in_line = [
        end for end in ends
        if all(end.add in behind[other.add] or other.add in behind[end.add] for other in ends if other is not end)
    ]  # fmt: skip
    return tuple(Cut(region.add, region.shape) for region in in_line or ends[-1:])


def named_cuts(
    teacher: GraphModule, student: GraphModule, names: Sequence[str], renamed: Mapping[str, str]
) -> tuple[Cut, ...]:
    """Cuts of the user's own: nodes that teacher and student both have, with maps of one shape.

    ``renamed`` leads from a teacher's node to the student's where its name is another.

    Raises:
        ConfigError: there is no node of that name in one of them, or it is not a map of the same shape in both.
    """
    cuts = []
    of_teacher, of_student = ({n.name: n for n in graph.graph.nodes} for graph in (teacher, student))
    for name in names:
        twin = renamed.get(name, name)
        if name not in of_teacher or twin not in of_student:
            near = get_close_matches(name, of_teacher.keys() & {*of_student, *renamed}, 3)
            raise ConfigError(f"no cut at {name!r}: not a node of both graphs{f'; near: {near}' if near else ''}")
        shape = shape_of(of_teacher[name])
        if shape is None or len(shape) < 3 or shape != shape_of(of_student[twin]):
            raise ConfigError(f"no cut at {name!r}: not a feature map of one shape in teacher and student")
        cuts.append(Cut(name, shape))
    return tuple(cuts)


def stage_of_modules(student: GraphModule, cuts: Mapping[str, str]) -> dict[str, str]:
    """The stage that each layer of the student belongs to, by path: that of the first cut behind it, or ``head``.

    ``cuts``: the teacher's name of each cut, by which its stage goes, and the student's node there, in graph order.
    """
    stages: dict[str, str] = {}
    remaining = list(cuts.items())
    for node in student.graph.nodes:
        stage = remaining[0][0] if remaining else "head"
        if node.op == "call_module" and kind_of(node) != "other":
            stages.setdefault(str(node.target), stage)
        if remaining and node.name == remaining[0][1]:
            remaining.pop(0)
    return stages

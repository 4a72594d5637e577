"""Student and teacher as one graph: the student's path, and from each cut a mixed path through the teacher's suffix.

The student is computed once; at a cut its map also enters a copy of those teacher's nodes that depend on that cut. The
copies call the teacher's own modules, which are shared by all paths. What a suffix needs beside the cut (a second
input's branch, a skip past the cut) is the teacher's own value and comes in from outside, so nothing is computed twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_arg

from rdpass.passes.graph.dataflow import depending_on

STUDENT, TEACHER = "student", "teacher"
OWN_PATH = "own path"  # no node can have this name


@dataclass(frozen=True)
class JointPaths:
    """``module(*inputs, *crossing)`` gives ``{path: (outputs, feature or None)}``: ``OWN_PATH`` and the mixed ones.

    Mixed paths go by their cut's name in the teacher. ``taps`` are the teacher's nodes that ``teacher_taps`` is to
    give, in the order in which ``module`` takes them as ``crossing``.
    """

    module: GraphModule
    taps: tuple[str, ...]


def join_paths(
    student: GraphModule, teacher: GraphModule, cuts: Mapping[str, str], feature: tuple[str, str] | None = None
) -> JointPaths:
    """The joint graph of all paths. It calls the modules of ``student`` and ``teacher`` themselves, not copies.

    Args:
        student, teacher: graphs with the same inputs.
        cuts: the teacher's node at each cut and the student's that takes its place.
        feature: the teacher's and the student's node whose value each path gives beside its outputs.
    """
    graph = Graph()
    inputs = {node.target: graph.placeholder(str(node.target)) for node in placeholders(student)}
    suffixes = {cut: depending_on(teacher, cut) for cut in cuts}
    taps = _crossing(teacher, suffixes)
    crossing = {name: graph.placeholder(f"crossing_{name}") for name in taps}
    own: dict[Node, Node] = {node: inputs[node.target] for node in placeholders(student)}
    _copy(graph, student, STUDENT, own)
    named = {node.name: copy for node, copy in own.items()}
    outputs: dict[str, Any] = {OWN_PATH: (_result(student, own), named[feature[1]] if feature else None)}
    for cut, at in cuts.items():
        values = {node: inputs[node.target] for node in placeholders(teacher)}
        for node in teacher.graph.nodes:
            if node.name == cut:  # which may be a value that another path takes from the teacher
                values[node] = named[at]
            elif node.name in crossing:
                values[node] = crossing[node.name]
        _copy(graph, teacher, TEACHER, values, suffixes[cut])
        seen = {node.name: copy for node, copy in values.items()}
        outputs[cut] = (_result(teacher, values), seen.get(feature[0]) if feature else None)
    graph.output(outputs)
    graph.lint()
    root = nn.Module()
    root.add_module(STUDENT, student)
    root.add_module(TEACHER, teacher)
    module = GraphModule(root, graph, "JointPaths")
    # fx makes empty holders of the leaves it finds; with the modules themselves, parameters read by name move along.
    module.add_module(STUDENT, student)
    module.add_module(TEACHER, teacher)
    return JointPaths(module, taps)


def teacher_taps(teacher: GraphModule, taps: Sequence[str], feature: str | None = None) -> GraphModule:
    """The teacher's graph with more outputs: ``(outputs, feature or None, tuple of taps)``; its modules are shared."""
    graph = Graph()
    values: dict[Node, Node] = {node: graph.placeholder(str(node.target)) for node in placeholders(teacher)}
    _copy(graph, teacher, TEACHER, values)
    named = {node.name: copy for node, copy in values.items()}
    graph.output((_result(teacher, values), named[feature] if feature else None, tuple(named[tap] for tap in taps)))
    root = nn.Module()
    root.add_module(TEACHER, teacher)
    module = GraphModule(root, graph, "TeacherTaps")
    module.add_module(TEACHER, teacher)
    return module


def placeholders(graph_module: GraphModule) -> list[Node]:
    """The graph's inputs, in order."""
    return [node for node in graph_module.graph.nodes if node.op == "placeholder"]


def _crossing(teacher: GraphModule, suffixes: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The teacher's values that a suffix reads but neither computes nor has as its cut, an input or a parameter."""
    found: dict[str, None] = {}
    for cut, suffix in suffixes.items():
        for node in teacher.graph.nodes:
            if node.name in suffix:
                for source in node.all_input_nodes:
                    known = source.name in suffix or source.name == cut
                    if not known and source.op not in ("placeholder", "get_attr"):
                        found[source.name] = None
    return tuple(found)


def _copy(
    graph: Graph, source: GraphModule, prefix: str, values: dict[Node, Node], names: frozenset[str] | None = None
) -> None:
    """Append the nodes of ``source`` (those in ``names``) but its output; ``values`` holds what is there already."""
    for node in source.graph.nodes:
        if node.op == "output" or node in values:
            continue
        if names is not None and node.name not in names and node.op != "get_attr":
            continue
        copied = graph.node_copy(node, lambda other: values[other])
        if node.op in ("call_module", "get_attr"):
            copied.target = f"{prefix}.{node.target}"
        values[node] = copied


def _result(source: GraphModule, values: Mapping[Node, Node]) -> Any:
    """The output of ``source``, with the copies in the place of its nodes."""
    (output,) = (node for node in source.graph.nodes if node.op == "output")
    return map_arg(output.args[0], lambda node: values[node])

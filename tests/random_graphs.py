"""Random functional graphs for hypothesis: convolutions, norms, pools, gates, changes of scale, adds of all sorts."""

from __future__ import annotations

import operator
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.fx import Graph, GraphModule, Node
from torch.nn import functional as F

from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.editing import tidy

CHANNELS, SIZE = 2, 8
LAYERS = {
    "conv": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
    "point": lambda: nn.Conv2d(CHANNELS, CHANNELS, 1),
    "down": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, 2, 1),
    "bn": lambda: nn.BatchNorm2d(CHANNELS),
    "norm": lambda: nn.GroupNorm(1, CHANNELS),
    "relu": nn.ReLU,
    "average": lambda: nn.AvgPool2d(3, 1, 1),
    "maximum": lambda: nn.MaxPool2d(3, 1, 1),
    "identity": nn.Identity,
}
FUNCTIONS = ("up", "scale", "gate", "shift")
OPERATIONS = (*LAYERS, *FUNCTIONS)
Made = list[tuple[Node, int]]  # every node so far with the size of its map


@dataclass(frozen=True)
class Case:
    """A graph module and the example that its shapes were annotated on; shows itself as code."""

    module: GraphModule
    example: tuple[Tensor, ...]

    def _repr_pretty_(self, printer, cycle):
        """What hypothesis prints of a failing case."""
        printer.text(self.module.code.strip())


_sides = st.lists(st.sampled_from(OPERATIONS), max_size=4)
_steps = st.one_of(
    st.tuples(st.sampled_from((*OPERATIONS, "add", "add")), st.integers(0, 3), st.integers(0, 9)),
    st.tuples(_sides, st.integers(0, 1), _sides.map(lambda side: side[:2])),
)


@st.composite
def graphs(draw):
    """A tidied, annotated graph on one or two inputs: single operations on any tensors before them, and blocks of two
    sides and an add, which nest and overlap as the single ones have it."""
    inputs = draw(st.sampled_from([1, 1, 1, 2]))
    steps = draw(st.lists(_steps, min_size=1, max_size=7))
    seed = draw(st.integers(0, 9))
    return built(steps, inputs, seed, draw(st.lists(st.integers(0, 20), max_size=1)))


def built(steps, inputs=1, seed=0, also_given=()) -> Case:
    """The graph of ``steps``, as ``graphs`` draws them; its outputs are the last tensor and those of ``also_given``."""
    torch.manual_seed(seed)
    root, graph = nn.Module(), Graph()
    made: Made = [(graph.placeholder(f"x{index}"), SIZE) for index in range(inputs)]
    for index, step in enumerate(steps):
        if isinstance(step[0], list):
            _block(root, graph, f"{index}", step[0], step[2], made, step[1])
        else:
            made.append(_apply(root, graph, f"{step[0]}_{index}", step[0], made, step[1], step[2]))
    graph.output((made[-1][0], *(made[index % len(made)][0] for index in also_given)))
    module = tidy(GraphModule(root, graph).eval())
    example = tuple(torch.randn(2, CHANNELS, SIZE, SIZE) for _ in range(inputs))
    annotate(module, example)
    return Case(module, example)


def _block(root, graph, name, body, shortcut, made: Made, recent) -> None:
    """Both sides from one tensor, and their sum where the sizes allow it."""
    start, ends = made[-1 - recent % len(made)], []
    for side, operations in (("a", body), ("b", shortcut)):
        made.append(start)
        for index, operation in enumerate(operations):
            made.append(_apply(root, graph, f"{operation}_{name}{side}{index}", operation, made, 0, index))
        ends.append(made[-1])
    if ends[0][1] == ends[1][1] and ends[0][0] is not ends[1][0]:
        made.append((graph.call_function(operator.add, (ends[0][0], ends[1][0])), ends[0][1]))


def _apply(root, graph, name, operation, made: Made, recent, any_other) -> tuple[Node, int]:
    source, size = made[-1 - recent % len(made)]
    if operation in LAYERS:
        layer = LAYERS[operation]()
        if operation == "bn":
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
        if operation == "down" and size == 1:
            return source, size
        root.add_module(name, layer)
        return graph.call_module(name, (source,)), size // 2 if operation == "down" else size
    if operation == "up":
        up = graph.call_function(F.interpolate, (source,), {"scale_factor": 2.0}) if size < SIZE else source
        return up, min(2 * size, SIZE)
    if operation == "scale":
        return graph.call_function(operator.mul, (source, 0.5)), size
    if operation == "shift":
        return graph.call_function(operator.add, (source, 1.0)), size
    equal = [node for node, other in made if other == size]
    other = equal[any_other % len(equal)]
    return graph.call_function(operator.mul if operation == "gate" else operator.add, (source, other)), size

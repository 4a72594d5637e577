"""Find which channels can leave, and what has to leave with each: the dependency groups of a graph.

Every channel that a layer writes has a label, and the labels run through the graph as the numbers do:

1. Layers that read channels (convolutions, linear layers) end them: a channel may leave if all its readers drop the
   weights that read it. What they write has labels of its own.
2. What acts on each channel alone (activations, pools, batch norms, padding of a map's borders) passes labels on. One
   number a channel has the label of its channel.
3. Two maps that are added or multiplied have the same channels: labels at the same place are united. Whole residual
   streams become one group so, and a gate goes with the map that it scales.
4. What only moves numbers (concatenation, views, flattening, slices) is run on the labels themselves. Channels that
   are viewed as groups leave alike from each.
5. A grouped convolution of g groups loses whole groups, or the same channels of each: whichever are the more. Of a
   depthwise one, a channel is a group.
6. All else needs every channel that it reads (means over channels, norms over channels, attention, outputs): these
   stay, with the reason.

Labels belong to tensors, so that layers called twice, and weights that two layers share, need no rule.

Source: groups of layers that depend on each other are those of DepGraph (arXiv 2301.12900). It follows autograd's
functions; here torch.fx's nodes are followed, by their kinds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node
from torch.utils._pytree import tree_map_only

from rdpass.core.plan import Skipped
from rdpass.core.tensors import tensors_in
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.analysis.macs import macs_of_node
from rdpass.passes.graph.node_kinds import annotate_kinds
from rdpass.passes.prune.label_rules import labels_by_rule
from rdpass.passes.prune.labels import Labels, along

Units = tuple[int, ...]


@dataclass(frozen=True)
class Slot:
    """An axis of a parameter or buffer, and the unit of each of its entries.

    ``tensor``: its first name in the module. ``reads``: the entries are weights that read these channels.
    """

    tensor: str
    axis: int
    units: Units
    reads: bool


@dataclass(frozen=True)
class Layer:
    """A layer, and the units of the channels that it reads and writes at its first call.

    ``macs``: of all its calls; they are proportional to what is left of each of ``factors``.
    """

    path: str
    node: str
    reads: Units
    writes: Units
    macs: int
    factors: tuple[Units, ...]


@dataclass(frozen=True)
class Size:
    """A number that says how many channels there are: an argument of a node, at ``place``, or a field of its module."""

    node: str
    place: tuple[int, ...] | str
    units: Units


@dataclass(frozen=True)
class Partition:
    """A node that takes runs of channels apart along ``axis``: all of them, or the second one alone (a slice)."""

    node: str
    axis: int
    parts: tuple[Units, ...]


@dataclass(frozen=True)
class Channels:
    """The channels of a graph, by unit: those that can only leave together have one number.

    Args:
        layers: those that write channels, in graph order.
        slots: every axis of a tensor that loses entries with its units.
        sizes: numbers of arguments and fields that follow them.
        partitions: nodes whose bounds follow them.
        fixed: why a unit stays, of those that have to: the node that needs it, and for what.
        other_macs: multiply-accumulates beside those of the layers; they stay.
    """

    layers: tuple[Layer, ...]
    slots: tuple[Slot, ...]
    sizes: tuple[Size, ...]
    partitions: tuple[Partition, ...]
    fixed: Mapping[int, Skipped]
    other_macs: int


def find_channels(graph_module: GraphModule, example: tuple[Tensor, ...]) -> Channels:
    """The channels of a graph that carries shapes. It runs once on a copy of the example, and is only read.

    Example:
        >>> from rdpass.capture.trace import trace
        >>> traced = trace(model, example)
        >>> found = find_channels(traced.module, traced.example)
        >>> [(layer.path, len(layer.writes)) for layer in found.layers][:2]
        [('0.0', 4), ('1.body.0', 4)]
    """
    annotate_kinds(graph_module)
    run = LabelRun(graph_module)
    with torch.no_grad(), redirect_stderr(StringIO()):
        run.run(*(x.clone() for x in example))
    return run.channels()


class LabelRun(Interpreter):
    """Runs the graph, and its labels beside it. A rule gives the labels of a node's result, or why it has none."""

    def __init__(self, graph_module: GraphModule) -> None:
        super().__init__(graph_module)
        self.graph_module = graph_module
        self.labels = Labels()
        self.seen: dict[Node, Any] = {}
        self.sizes: list[tuple[Node, tuple[int, ...] | str, Tensor]] = []
        self.partitions: list[tuple[Node, int, list[Tensor]]] = []
        self._slots: dict[tuple[int, int], Tensor] = {}
        self._reading: set[tuple[int, int]] = set()
        self._layers: dict[int, tuple[Node, Tensor, Tensor, tuple[Tensor, ...]]] = {}
        self._macs: dict[int, int] = defaultdict(int)
        self._names = {id(tensor): name for name, tensor in reversed(_stored(graph_module))}

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        self.seen[n] = self._labels_of(n, result)
        return result

    def _labels_of(self, n: Node, result: Any) -> Any:
        if not tensors_in(result):
            return None
        if n.op == "get_attr":
            return self.stored(result)
        found = labels_by_rule(self, n, result)
        return self._refused(n, result, found) if isinstance(found, str) else found

    def _refused(self, n: Node, result: Any, reason: str) -> Any:
        """Fix all channels that the node reads; those that it gives are fixed too."""
        skipped = Skipped(n.name, reason)
        for source in n.all_input_nodes:
            for labels in tensors_in(self.seen[source]):
                self.labels.fix(labels, skipped)
        return tree_map_only(Tensor, lambda x: self.labels.fixed(x.shape, skipped), result)

    def slot(self, tensor: Tensor, axis: int, reads: bool = False) -> Tensor:
        """The labels of the entries of a stored tensor along an axis: the same whoever asks."""
        key = id(tensor), axis
        if key not in self._slots:
            self._slots[key] = self.labels.fresh(tensor.shape[axis])
        if reads:
            self._reading.add(key)
        return self._slots[key]

    def stored(self, tensor: Tensor) -> Tensor:
        """The labels of a stored tensor that has one number a channel."""
        axes = [axis for axis, size in enumerate(tensor.shape) if size > 1]
        if len(axes) == 1:
            return along(self.slot(tensor, axes[0]), axes[0], tensor.shape)
        return self.labels.fixed(tensor.shape, Skipped(self._names[id(tensor)], "numbers of more than one axis"))

    def is_stored(self, tensor: Tensor) -> bool:
        return id(tensor) in self._names

    def map_read(self, n: Node) -> Tensor | None:
        """The labels of the map that the node reads; None where these are several."""
        maps = [self.seen[source] for source in n.all_input_nodes if self.seen[source] is not None]
        return maps[0] if len(maps) == 1 and isinstance(maps[0], Tensor) else None

    def note_layer(self, n: Node, weight: Tensor, read: Tensor, written: Tensor, factors: tuple[Tensor, ...]) -> None:
        self._layers.setdefault(id(weight), (n, read, written, factors))
        self._macs[id(weight)] += macs_of_node(self.graph_module, n)[0]

    def channels(self) -> Channels:
        """What the run has found."""
        units = self.labels.units
        return Channels(
            tuple(
                Layer(str(node.target), node.name, units(read), units(written), self._macs[key],
                      tuple(map(units, factors)))
                for key, (node, read, written, factors) in self._layers.items()
            ),
            tuple(
                Slot(self._names[key[0]], key[1], units(labels), key in self._reading)
                for key, labels in self._slots.items()
            ),
            tuple(Size(node.name, place, units(labels)) for node, place, labels in self.sizes),
            tuple(Partition(node.name, axis, tuple(map(units, parts))) for node, axis, parts in self.partitions),
            self.labels.reasons(),
            macs_of(self.graph_module) - sum(self._macs.values()),
        )  # fmt: skip


def _stored(graph_module: GraphModule) -> list[tuple[str, Tensor]]:
    return [
        *graph_module.named_parameters(remove_duplicate=False),
        *graph_module.named_buffers(remove_duplicate=False),
    ]

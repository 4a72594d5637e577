"""One inference as plain data: operations, the buffers they read and write, and nothing of torch.

1. Constants (parameters, and what is computed from them alone) are no buffers: they lie ready before the inference.
2. A view (reshape, slice, identity: what shares its source's memory on the example) has no buffer of its own. Reading
   it reads the source's buffer, and moves as many bytes as the view has.
3. Zero padding that only convolutions read is a view too: they pad as they read.
4. What gives no tensor (sizes) neither reads nor writes a buffer, and an operand read for its shape alone is not read.
5. An add that is to be taken out is its body's output, and what then leads nowhere is gone.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.analysis.macs import macs_of_node, weight_bytes_of_node
from rdpass.passes.analysis.memory.kernel_kinds import is_conv_padding, kernel_kind
from rdpass.passes.graph.dataflow import data_sources
from rdpass.passes.graph.editing import body_output
from rdpass.passes.graph.node_kinds import annotate_kinds, bytes_of, kind_of, shape_of


@dataclass(frozen=True)
class Read:
    """One operand: the buffer (by the node that writes it), the bytes moved, and whether output element i needs
    nothing of it but element i, so that the output may be written over it."""

    buffer: str
    bytes: int
    pointwise: bool


@dataclass(frozen=True)
class Operation:
    """One node that writes a buffer of ``bytes``; ``kind`` is ``kernel_kind``'s."""

    node: str
    kind: str
    reads: tuple[Read, ...]
    bytes: int
    macs: int
    fast_macs: int
    weight_bytes: int


@dataclass(frozen=True)
class Inference:
    """Operations in an order that can be run. ``inputs`` maps the buffers of the model's inputs to their bytes;
    ``outputs`` are those it hands over at the end; ``buffer_of`` tells where each node's value lies."""

    inputs: dict[str, int]
    operations: tuple[Operation, ...]
    outputs: frozenset[str]
    buffer_of: dict[str, str] = field(repr=False)


def inference_of(graph_module: GraphModule, without: Collection[Region] = ()) -> Inference:
    """The inference of a graph whose nodes carry shapes, with the shortcuts of the regions ``without`` taken out."""
    annotate_kinds(graph_module)
    standing_for = _substitutes(graph_module, without)
    reader = _Reader(graph_module, standing_for)
    for node in _living(graph_module, standing_for):
        reader.read(node)
    return Inference(reader.inputs, tuple(reader.operations), frozenset(reader.outputs), reader.buffer_of)


def living_nodes(graph_module: GraphModule, without: Collection[Region] = ()) -> list[Node]:
    """The nodes that lead to an output once the shortcuts are taken out, in graph order."""
    return _living(graph_module, _substitutes(graph_module, without))


def _substitutes(graph_module: GraphModule, without: Collection[Region]) -> dict[Node, Node]:
    """The node that replaces each add that goes."""
    regions = {region.add: region for region in without}
    found: dict[Node, Node] = {}
    for node in graph_module.graph.nodes:
        if node.name in regions:
            given = body_output(node, regions[node.name])
            found[node] = found.get(given, given)
    return found


def _sources(node: Node, standing_for: dict[Node, Node]) -> list[Node]:
    return [standing_for.get(source, source) for source in node.all_input_nodes]


def _living(graph_module: GraphModule, standing_for: dict[Node, Node]) -> list[Node]:
    living = {node for node in graph_module.graph.nodes if node.op in ("output", "placeholder")}
    pending = [node for node in living if node.op == "output"]
    while pending:
        for source in _sources(pending.pop(), standing_for):
            if source not in living:
                living.add(source)
                pending.append(source)
    return [node for node in graph_module.graph.nodes if node in living and node not in standing_for]


class _Reader:
    """Walks the living nodes once, in graph order."""

    def __init__(self, graph_module: GraphModule, standing_for: dict[Node, Node]) -> None:
        self.graph_module, self.standing_for = graph_module, standing_for
        self.inputs: dict[str, int] = {}
        self.operations: list[Operation] = []
        self.outputs: set[str] = set()
        self.buffer_of: dict[str, str] = {}
        self._bytes: dict[str, int] = {}  # of a node's value as it is read: a view's own, padding not counted
        self._whole: dict[str, int] = {}  # of a buffer

    def read(self, node: Node) -> None:
        named = [self.standing_for.get(source, source) for source in data_sources(node)]
        sources = [source for source in dict.fromkeys(named) if source.name in self.buffer_of]
        if node.op == "output":
            self.outputs.update(self.buffer_of[source.name] for source in sources)
        elif node.op == "placeholder":
            self.inputs[node.name] = bytes_of(node)
            self._place(node, node.name, bytes_of(node))
        elif sources and bytes_of(node):
            viewed = self._viewed(node, sources)
            if viewed is None:
                self._operate(node, sources)
            else:
                self._place(node, self.buffer_of[viewed.name], min(bytes_of(node), self._bytes[viewed.name]))

    def _place(self, node: Node, buffer: str, moved: int) -> None:
        self.buffer_of[node.name] = buffer
        self._bytes[node.name] = moved
        self._whole.setdefault(buffer, bytes_of(node))

    def _viewed(self, node: Node, sources: list[Node]) -> Node | None:
        if is_conv_padding(self.graph_module, node):
            return sources[0]
        place = node.meta.get("view_of")
        operands = _sources(node, self.standing_for)
        if place is None:
            unknown = "view_of" not in node.meta and kind_of(node) in ("view", "pass")
            return sources[0] if unknown else None
        viewed = operands[min(place, len(operands) - 1)]
        return viewed if viewed in sources else None

    def _operate(self, node: Node, sources: list[Node]) -> None:
        kind = kernel_kind(self.graph_module, node)
        reads: dict[str, Read] = {}
        for source in sources:
            read = self._operand(node, source, kind in ("elementwise", "add"))
            before = reads.get(read.buffer)
            if before is not None:  # two views of one buffer
                read = Read(read.buffer, before.bytes + read.bytes, before.pointwise and read.pointwise)
            reads[read.buffer] = read
        if kind == "add" and len(sources) < 2:  # of a number or a constant: arithmetic like any other
            kind = "elementwise"
        macs, fast = macs_of_node(self.graph_module, node)
        self.operations.append(
            Operation(
                node.name, kind, tuple(reads.values()), bytes_of(node), macs, fast,
                weight_bytes_of_node(self.graph_module, node),
            )
        )  # fmt: skip
        self._place(node, node.name, bytes_of(node))

    def _operand(self, node: Node, source: Node, elementwise: bool) -> Read:
        buffer, moved = self.buffer_of[source.name], self._bytes[source.name]
        whole = moved == self._whole[buffer] == bytes_of(node)
        return Read(buffer, moved, elementwise and whole and shape_of(source) == shape_of(node))

"""Immediate dominators of a dataflow graph (Cooper, Harvey, Kennedy, 2001: one sweep, for the graph has no cycle).

Two branches meet in O(log n) steps, by the jumps of Myers, 'An applicative random-access stack' (1983).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch.fx import Graph, Node

from rdpass.passes.graph.dataflow import data_sources, gives_tensors

Dominators = dict[Node, Node | None]
_Place = Node | None  # None is the root: the inputs together


def immediate_dominators(graph: Graph) -> Dominators:
    """For each node that depends on an input: the last node that every path from the inputs passes through.

    None stands for 'none but the inputs together', as for an add of two inputs. Parameters, constants and shapes are
    no dataflow and have no entry.
    """
    tree = _Tree()
    for node in graph.nodes:
        sources = [source for source in data_sources(node) if source in tree.parent] if gives_tensors(node) else []
        if not sources and node.op != "placeholder":
            continue
        common: _Place = sources[0] if sources else None
        for source in sources[1:]:
            common = tree.meet(common, source)
        tree.grow(node, common)
    return tree.parent


@dataclass
class _Tree:
    parent: Dominators = field(default_factory=dict)
    depth: dict[_Place, int] = field(default_factory=lambda: {None: 0})
    jump: dict[_Place, _Place] = field(default_factory=lambda: {None: None})

    def grow(self, node: Node, parent: _Place) -> None:
        """Add a leaf. It jumps over as much as two of its parent's jumps where these are of one length, else up."""
        first = self.jump[parent]
        second = self.jump[first]
        even = self.depth[parent] - self.depth[first] == self.depth[first] - self.depth[second]
        self.parent[node] = parent
        self.depth[node] = self.depth[parent] + 1
        self.jump[node] = second if even else parent

    def meet(self, a: _Place, b: _Place) -> _Place:
        """The nearest common ancestor."""
        if self.depth[a] < self.depth[b]:
            a, b = b, a
        while self.depth[a] > self.depth[b]:
            jumped = self.jump[a]
            a = jumped if self.depth[jumped] >= self.depth[b] else self._up(a)
        while a is not b:
            near = self.jump[a] is self.jump[b]
            a, b = (self._up(a), self._up(b)) if near else (self.jump[a], self.jump[b])
        return a

    def _up(self, place: _Place) -> _Place:
        return self.parent[place] if place is not None else None

"""Check that a graph is strictly plain: one path of convolutions, activations, pools and linear layers.

1. Every node is a convolution (with bias), an activation, a pool, a linear layer, a change of view, a pad, or passes
   its input on; no batch norm, no add, no product.
2. Every map is read once, by the next node: nothing is held live. Reading a size is no reading (shapes annotated).
"""

from __future__ import annotations

from torch.fx import GraphModule, Node

from rdpass.core.errors import PassError
from rdpass.core.plan import Skipped
from rdpass.passes.graph.dataflow import data_sources, data_users, gives_tensors
from rdpass.passes.graph.node_kinds import annotate_kinds, kind_of

PLAIN = frozenset(("placeholder", "output", "conv", "activation", "pool", "linear", "view", "pad", "pass"))


def find_not_plain(graph_module: GraphModule) -> Skipped | None:
    """The first node that keeps the graph from being plain, with the reason; None for a plain graph."""
    annotate_kinds(graph_module)
    for node in graph_module.graph.nodes:
        reason = _reason(node)
        if reason is not None:
            return Skipped(node.name, reason)
    return None


def check_plain(graph_module: GraphModule) -> None:
    """Hold a graph to the two rules above.

    Raises:
        PassError: it is not plain; the message names the node.
    """
    found = find_not_plain(graph_module)
    if found is not None:
        raise PassError(f"the student is not plain: {found.add}: {found.reason}")


def _reason(node: Node) -> str | None:
    if not gives_tensors(node):
        return None  # a size, or arithmetic on sizes: it holds no map
    kind = kind_of(node)
    if kind not in PLAIN:
        return f"{kind if kind != 'other' else 'an operation without a name here'} in a plain graph"
    inputs = [source for source in data_sources(node) if source.op != "get_attr"]
    if node.op not in ("placeholder", "output") and len(inputs) != 1:
        return f"it reads {len(inputs)} nodes"
    readers = len(data_users(node))
    return f"it is read by {readers} nodes" if node.op != "output" and readers != 1 else None

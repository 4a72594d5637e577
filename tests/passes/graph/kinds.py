"""The kinds of a graph's nodes, in order."""

from rdpass.passes.graph.node_kinds import kind_of


def kinds(graph_module):
    return [kind_of(node) for node in graph_module.graph.nodes]

"""Batch norm as one operator again: making an exported program functional takes it apart in spite of everything.

  getitem(_native_batch_norm_legit_no_training(x, weight, bias, mean, var, momentum, eps), 0)
→ batch_norm(x, weight, bias, mean, var, False, momentum, eps, False)
"""

from __future__ import annotations

import torch
from torch.fx import GraphModule

from rdpass.passes.graph.editing import copy_graph, tidy
from rdpass.passes.graph.node_kinds import callee

BROKEN_UP = "_native_batch_norm_legit_no_training"


def restore_batch_norm(graph_module: GraphModule) -> GraphModule:
    """A graph with ``aten.batch_norm`` wherever only the normalised map of the parts is read."""
    result = copy_graph(graph_module)
    for node in list(result.graph.nodes):
        if callee(node) != BROKEN_UP or any(callee(user) != "getitem" or user.args[1] != 0 for user in node.users):
            continue
        source, weight, bias, mean, variance, momentum, eps = node.args
        with result.graph.inserting_before(node):
            whole = result.graph.call_function(
                torch.ops.aten.batch_norm.default,
                (source, weight, bias, mean, variance, False, momentum, eps, False),
            )
        for user in list(node.users):
            user.replace_all_uses_with(whole)
    return tidy(result)

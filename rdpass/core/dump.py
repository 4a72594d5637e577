"""Readable graphs, and on request one of every stage: ``RDPASS_DUMP=folder`` writes numbered text files.

RDPASS_DUMP=dump rdpass convert …
ls dump    # 01_trace.txt  02_functionalise.txt  03_lift_layers.txt …
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from torch.fx import GraphModule, Node

_numbers = count(1)


def dump(stage: str, graph_module: GraphModule) -> None:
    """Write the graph as ``NN_stage.txt`` into the folder that RDPASS_DUMP names; nothing where it is not set."""
    folder = os.environ.get("RDPASS_DUMP")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{next(_numbers):02d}_{stage}.txt").write_text(describe(graph_module))


def describe(graph_module: GraphModule) -> str:
    """One line a node: its name, what it calls on what, and the shape of what it gives."""
    return "".join(f"{_line(graph_module, node)}\n" for node in graph_module.graph.nodes)


def _line(graph_module: GraphModule, node: Node) -> str:
    meta = node.meta.get("tensor_meta")
    shape = f"  -> {'x'.join(map(str, meta.shape))}" if meta is not None and hasattr(meta, "shape") else ""
    operands = ", ".join(str(argument) for argument in (*node.args, *node.kwargs.items()))
    if node.op == "call_module":
        module = " ".join(repr(graph_module.get_submodule(str(node.target))).split())
        return f"{node.name} = {module} on {operands}{shape}"
    called = getattr(node.target, "__name__", node.target)
    return f"{node.name} = {node.op} {called}({operands}){shape}"

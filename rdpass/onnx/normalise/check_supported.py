"""Refuse what no reader takes, by the node's name and with a remedy, before anything is built."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.onnx.normalise.graph import array_of, attribute, input_of

_CONTROL = {
    "If": "its condition depends on the input; export the network with fixed sizes, or the branch that you need",
    "Loop": "unroll it: export with fixed sizes, or cut the network before it",
    "Scan": "unroll it: export with fixed sizes, or cut the network before it",
}
_OWN_DOMAINS = ("", "ai.onnx", "com.microsoft")


def check_structure(graph: ir.Graph, label: str) -> None:
    """Refuse control flow, operators of unknown domains, and those that no ONNX schema has.

    Raises:
        ConfigError: there is one.
    """
    for node in graph:
        what, name = f"{label}: node {name_of(node)!r}", node.op_type
        if name in _CONTROL and node.domain in ("", "ai.onnx"):
            raise ConfigError(f"{what} is a {name}, which is not supported: {_CONTROL[name]}")
        if node.domain not in _OWN_DOMAINS:
            raise ConfigError(
                f"{what} is a {name} of the domain {node.domain!r}, which no reader knows; replace it by operators of"
                " ONNX's own, or cut the network before it"
            )
        if node.domain != "com.microsoft" and not onnx.defs.has(name):
            raise ConfigError(f"{what} is a {name}, which is no operator of ONNX's")
        if _trains(node):
            raise ConfigError(f"{what} is a {name} in training mode; export the network in eval mode")


def _trains(node: ir.Node) -> bool:
    if node.op_type == "BatchNormalization":
        return bool(attribute(node, "training_mode", 0))
    mode, rate = input_of(node, 2), array_of(input_of(node, 1))
    drops = rate is None or rate.any()
    return node.op_type == "Dropout" and mode is not None and bool(drops) and _may_be_true(array_of(mode))


def _may_be_true(mode: Array | None) -> bool:
    return mode is None or bool(mode.any())


def name_of(node: ir.Node) -> str:
    """What a user finds a node by: its name, else its first result's."""
    return node.name or node.outputs[0].name or node.op_type

"""Refuse what no reader takes, by the node's name and with a remedy, before anything is built."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from rdpass.core.errors import ConfigError

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


def name_of(node: ir.Node) -> str:
    """What a user finds a node by: its name, else its first result's."""
    return node.name or node.outputs[0].name or node.op_type

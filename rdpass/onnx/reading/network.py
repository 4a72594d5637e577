"""A normalised ONNX model as a torch module: a torch.fx graph that calls torch's own modules and functions."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping

import onnx
import onnx_ir as ir
import torch
from onnx_ir.passes import common
from torch.fx import GraphModule

from rdpass.core.errors import ConfigError
from rdpass.onnx.normalise.check_supported import name_of
from rdpass.onnx.normalise.infer_shapes import infer_shapes
from rdpass.onnx.reading.arithmetic import dtype_of
from rdpass.onnx.reading.call import Call, Network, Reader, Unreadable
from rdpass.onnx.reading.registry import READERS


def read_into_torch(model: onnx.ModelProto, label: str, readers: Mapping[str, Reader] = READERS) -> GraphModule:
    """The network, in eval mode.

    Args:
        model: normalised, of static shapes.
        label: what to call it in messages.
        readers: of the operators, by their names.

    Raises:
        ConfigError: a node has no form in torch; the message names it.
    """
    graph = _with_shapes(model).graph
    network = Network()
    for value in graph.inputs:
        network.values[value] = network.graph.placeholder(_argument(value.name or "x"))
    for node in graph:
        _read(node, network, label, readers)
    outputs = tuple(network.value(value) for value in graph.outputs)
    network.graph.output(outputs[0] if len(outputs) == 1 else outputs)
    module = GraphModule(network.root, network.graph, _class_name(graph.name))
    module.graph.eliminate_dead_code()
    module.recompile()
    module.delete_all_unused_submodules()
    return module.eval()


def _with_shapes(model: onnx.ModelProto) -> ir.Model:
    inferred = ir.from_proto(infer_shapes(model))
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(inferred)
    return inferred


def _read(node: ir.Node, network: Network, label: str, readers: Mapping[str, Reader]) -> None:
    reader = readers.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    try:
        if reader is None:
            raise Unreadable("no reader knows it")
        _check_types(node)
        with torch.no_grad():
            found = reader(Call(node, network))
    except (Unreadable, ValueError) as error:  # torch's layers say so of attributes that they can't have
        raise ConfigError(
            f"{label}: node {name_of(node)!r} is a {node.op_type}, which can't be read into torch: {error}; give the"
            " torch model or a .pt2 of it"
        ) from error
    results = found if isinstance(found, tuple) else (found,)
    for value, result in zip(node.outputs, results, strict=False):
        network.values[value] = result


def _check_types(node: ir.Node) -> None:
    for value in (*node.inputs, *node.outputs):
        if value is not None and value.dtype is not None:
            dtype_of(int(value.dtype))


def _argument(name: str) -> str:
    """A name of an argument of ``forward``: ASCII, and no word of Python's."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return plain if plain.isidentifier() and not keyword.iskeyword(plain) and plain != "self" else f"x_{plain}"


def _class_name(name: str | None) -> str:
    plain = re.sub(r"\W", "_", name or "", flags=re.ASCII)
    fits = plain.isidentifier() and not plain.startswith("_") and not keyword.iskeyword(plain)
    return plain if fits else "OnnxNetwork"

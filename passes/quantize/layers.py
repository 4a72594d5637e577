"""Layers with weights, and what quantising each one alone costs: the order in which layers are kept in float."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence

import onnx

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.passes.quantize.fidelity import Feeds, fidelity, outputs_of
from rdpass.passes.quantize.report import LayerNoise

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def weighted_layers(model: onnx.ModelProto) -> tuple[onnx.NodeProto, ...]:
    """The layers whose weights are constants, in the graph's order."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return tuple(node for node in model.graph.node if node.op_type in WEIGHTED and node.input[1] in constants)


def layer_noises(
    model: onnx.ModelProto, quantised_alone: Callable[[str], onnx.ModelProto], feeds: Feeds, expected: Sequence[Array],
    step: Callable[[int], None],
) -> tuple[LayerNoise, ...]:  # fmt: skip
    """Quantise each layer alone and compare with ``expected``, the float outputs for ``feeds``; the worst first."""
    noises = []
    for node in weighted_layers(model):
        outputs = outputs_of(quantised_alone(node.name), feeds, step)
        noises.append(LayerNoise(node.name, node.op_type, node.input[1], fidelity(outputs, expected).sqnr))
    return tuple(sorted(noises, key=lambda noise: noise.sqnr))


def named_nodes(model: onnx.ModelProto, globs: Sequence[str]) -> tuple[str, ...]:
    """Names of the nodes that globs select: by the node's name, an output's or a weight's.

    Raises:
        ConfigError: a glob that names nothing.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    names = {node.name: (node.name, *node.output, *(i for i in node.input if i in constants))
             for node in model.graph.node}  # fmt: skip
    for glob in globs:
        if not any(fnmatch.filter(known, glob) for known in names.values()):
            layers = ", ".join(node.name for node in weighted_layers(model)[:8])
            raise ConfigError(f"{glob!r} names no node, output or weight of the network; layers are {layers}, …")
    return tuple(name for name, known in names.items() if any(fnmatch.filter(known, glob) for glob in globs))

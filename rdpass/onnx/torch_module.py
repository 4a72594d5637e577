"""An ONNX file as a torch module, read by onnx2torch (the extra ``onnx``).

onnx2torch knows operators up to opset 17, and exporters write later ones. A file that it refuses is tried again in
opset 17, by ONNX's own version converter. What has no form there (Gelu, a Split with ``num_outputs``) stays refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import torch
from onnx.numpy_helper import to_array
from onnx.version_converter import convert_version
from torch import Tensor, nn

from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.core.errors import ConfigError

OPSET = 17


def load_onnx(path: Path) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The network in an ``.onnx`` file, and standard-normal inputs of its shapes (1 where a size is left open).

    Raises:
        ConfigError: onnx2torch is missing, there is no such file, or it holds what can't be read into torch.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    convert = _reader()
    try:
        model = onnx.load(path)
        module = _read(convert, model)
    except Exception as error:
        raise ConfigError(
            f"{path} can't be read into torch ({type(error).__name__}: {error}); give the torch model or a .pt2 of it"
        ) from error
    return module.eval(), _example(model)


def _reader() -> Any:
    prepare_torchvision()  # onnx2torch imports it, for two of its operators
    try:
        from onnx2torch import convert
    except ImportError as error:
        raise ConfigError(f"reading .onnx needs onnx2torch: pip install 'rdpass[onnx]' ({error})") from error
    except Exception as error:  # a torchvision that does not import raises what it likes
        raise ConfigError(
            f"reading .onnx needs onnx2torch, whose torchvision does not import beside torch {torch.__version__}"
            f" ({error}): install the torchvision built for this torch"
        ) from error
    return convert


def _read(convert: Any, model: Any) -> nn.Module:
    _share_directly(model.graph)
    try:
        module: nn.Module = convert(model)
    except NotImplementedError:
        module = convert(_without_allowzero(convert_version(model, OPSET)))
    return module


def _share_directly(graph: Any) -> None:
    """Readers of an Identity of a weight (exporters write these for equal weights) read the weight instead."""
    weights = {tensor.name: tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    for node in graph.node:
        node.input[:] = [weights.get(name, name) for name in node.input]
    given = {value.name for value in graph.output}
    for node in [n for n in graph.node if n.op_type == "Identity" and n.output[0] in weights.keys() - given]:
        graph.node.remove(node)


def _without_allowzero(model: Any) -> Any:
    """``allowzero`` taken off each Reshape whose target is a constant without a 0, where it means nothing."""
    constants = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Reshape" and node.input[1] in constants and (constants[node.input[1]] != 0).all():
            kept = [attribute for attribute in node.attribute if attribute.name != "allowzero"]
            del node.attribute[:]
            node.attribute.extend(kept)
    return model


def _example(model: Any) -> tuple[Tensor, ...]:
    weights = {tensor.name for tensor in model.graph.initializer}
    generator = torch.Generator().manual_seed(0)
    shapes = [
        [size.dim_value or 1 for size in value.type.tensor_type.shape.dim]
        for value in model.graph.input
        if value.name not in weights
    ]
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)

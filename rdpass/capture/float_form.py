"""A network of float32 from one that computes in fewer bits, or is prepared to; and a refusal of integers.

1. Fake quantisation and observers (``torch.ao.quantization.prepare`` and ``prepare_qat``, in eager mode or in a graph)
   round the numbers of a network of floats, or watch them: they are taken out. Layers of ``torch.ao.nn.qat`` become
   those that they were made from.
2. Parameters and buffers in float16 or bfloat16 are widened.
3. A network that was converted to integers holds no floats to read: it is refused. So is one with weights that are
   sparse, or were never loaded.

ONNX files are read by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.ao.nn import qat, quantized
from torch.ao.nn.intrinsic import qat as fused_qat
from torch.ao.quantization import FakeQuantizeBase, ObserverBase
from torch.ao.quantization.observer import AffineQuantizedObserverBase
from torch.fx import GraphModule
from torch.jit import ScriptModule

from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import FLOAT32
from rdpass.core.tensors import type_names

HALVES = (torch.float16, torch.bfloat16)
_WATCHERS = (FakeQuantizeBase, ObserverBase, AffineQuantizedObserverBase)
_INTEGER_PACKAGES = ("torch.ao.nn.quantized.", "torch.ao.nn.intrinsic.quantized.", "torch.ao.nn.sparse.quantized.")
_OF_FLOATS = (quantized.FloatFunctional, quantized.FXFloatFunctional)  # they stand among those of integers
INTEGER_OPERATORS = ("quantized::", "quantized_decomposed::", "aten::quantize_per_")
_WATCHER = "activation_post_process"
_UNUSABLE: tuple[tuple[Callable[[Tensor], bool], str], ...] = (
    (
        lambda tensor: tensor.is_meta,
        "has no numbers (device meta): load its weights, as by load_state_dict(assign=True)",
    ),
    (lambda tensor: tensor.layout is not torch.strided, "is sparse; store it with .to_dense()"),
)
"""Tensors that nothing here computes with, and what to do."""


def check_floats(model: nn.Module) -> None:
    """Refuse what was converted to integers, and tensors that nothing here computes with.

    Raises:
        ConfigError: with the place and what to do.
    """
    found = next(_integers_in(model), None)
    if found is not None:
        raise quantised(type(model).__name__, found)
    for path, tensor in (*model.named_parameters(), *model.named_buffers()):
        unusable = next((what for holds, what in _UNUSABLE if holds(tensor)), None)
        if unusable is not None:
            raise ConfigError(f"{type(model).__name__}: {path} {unusable}")


def quantised(name: str, where: str) -> ConfigError:
    """Why a network of integers is not taken, and what to do."""
    return ConfigError(
        f"{name} is quantised ({where}), and shortcuts are removed from networks of floats; give the float network that"
        " it was made from, and make integers of the student with `rdpass quantize`"
    )


def in_single(model: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """``model``, changed in place or another module in its place, and a sentence on each change.

    Args:
        model: without integers (``check_floats``), in eval mode.
    """
    name, notes = type(model).__name__, []
    if any(isinstance(module, _WATCHERS) for module in model.modules()):
        model = _without_watchers(model)
        notes.append(
            f"{name} is prepared for quantisation: read as the network of floats that it is without; `rdpass quantize`"
            " makes integers of the result"
        )
    halves = type_names(each.dtype for each in _tensors(model) if each.dtype in HALVES)
    if halves:
        model._apply(widened)  # type: ignore[no-untyped-call]
        notes.append(f"{name} is in {halves}: computed in {FLOAT32}, which is the more exact")
    return model, tuple(notes)


def widened(tensor: Tensor) -> Tensor:
    """``tensor`` itself, or in float32 where it has 16 bits."""
    return tensor.float() if tensor.dtype in HALVES else tensor


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def _integers_in(model: nn.Module) -> Iterator[str]:
    """Where integers are: layers, tensors, operators of a graph."""
    for path, module in model.named_modules():
        kind = type(module)
        if kind.__module__.startswith(_INTEGER_PACKAGES) and not isinstance(module, _OF_FLOATS):
            yield f"{path or 'it'} is a {kind.__module__}.{kind.__name__}"
        if isinstance(module, ScriptModule):
            kinds = (kind for _, kind in script_operators(module) if kind.startswith(INTEGER_OPERATORS))
            yield from (f"{path or 'it'} calls {kind}" for kind in kinds)
        if isinstance(module, GraphModule):
            yield from (f"its graph calls {called}" for node in module.graph.nodes if (called := _integer(node.target)))
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_quantized:
            yield f"{name} is {type_names([tensor.dtype])}"


def _integer(target: str | Callable[..., object]) -> str:
    """The name of an operator on integers that a graph calls; empty for any other."""
    if target in (torch.quantize_per_tensor, torch.quantize_per_channel):
        return str(getattr(target, "__name__", target))
    schema = getattr(target, "_schema", None) or getattr(target, "_qualified_op_name", "")
    return str(target) if str(getattr(schema, "name", schema)).startswith(INTEGER_OPERATORS) else ""


def script_operators(script: ScriptModule) -> Iterator[tuple[str, str]]:
    """Every operator of TorchScript that a method of a module calls, by the method's name."""
    compiled: Any = script._c
    for method in compiled._method_names():
        graph = compiled._get_method(method).inlined_graph  # held, for its nodes go with it
        yield from ((method, kind) for kind in _kinds(graph))


def _kinds(block: Any) -> Iterator[str]:
    """The kinds of all nodes, those in branches and loops too."""
    for node in block.nodes():
        yield node.kind()
        for inner in node.blocks():
            yield from _kinds(inner)


def _without_watchers(model: nn.Module) -> nn.Module:
    holder = nn.ModuleDict({"model": model})  # so that the model itself has a place to be replaced at
    for path, module in list(holder.named_modules()):
        if path and type(module).__module__.startswith((f"{qat.__name__}.", f"{fused_qat.__name__}.")):
            holder.set_submodule(path, _float_layer(module))
    for module in holder.modules():
        _unhook(module)
    for path, module in list(holder.named_modules(remove_duplicate=False)):
        if isinstance(module, _WATCHERS):
            holder.set_submodule(path, nn.Identity())
    return holder["model"].eval()


def _float_layer(layer: nn.Module) -> nn.Module:
    made: nn.Module = layer.to_float()  # type: ignore[operator]
    return made


def _unhook(module: nn.Module) -> None:
    """Take away the hooks that call a watcher, which prepared modules have one of as a child."""
    if not isinstance(getattr(module, _WATCHER, None), _WATCHERS):
        return
    for hooks in (module._forward_hooks, module._forward_pre_hooks):
        for key, hook in list(hooks.items()):
            if getattr(hook, "__module__", "") == "torch.ao.quantization.quantize":
                del hooks[key]

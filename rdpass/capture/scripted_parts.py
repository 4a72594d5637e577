"""Parts of a model that TorchScript runs (``torch.jit.script``, ``torch.jit.trace``) as graphs of operators.

Their Python code is gone, and symbolic tracing takes such a part for one operation: a shortcut in it would go unseen.
Torch's own converter makes a program of it, given what the part is called with.
"""

from __future__ import annotations

import copy
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.jit import ScriptModule

from rdpass.capture.programs import read_script
from rdpass.core.errors import TraceError, first_line

Inputs = tuple[Tensor, ...]


def without_script(model: nn.Module, inputs: Inputs, leaves: tuple[str, ...]) -> nn.Module:
    """``model``, changed in place or another in its place, with plain graphs where it has scripted parts with weights.

    Args:
        model: a copy of one's own.
        inputs: what the model takes.
        leaves: globs on the paths of parts that are to stay whole.

    Raises:
        TraceError: a part can't be read; the message names it.
    """
    if isinstance(model, ScriptModule):
        return _read(model, inputs, "")
    parts = _parts(model, leaves)
    if not parts:
        return model
    recorders = {part: _Recorder(part) for part in parts}
    recorded = copy.deepcopy(model, {id(each): each for each in (*parts, *model.parameters())})
    for part, paths in parts.items():
        for path in paths:
            recorded.set_submodule(path, recorders[part])
    with torch.no_grad():
        recorded(*(x.clone() for x in inputs))
    for part, paths in parts.items():
        if recorders[part].inputs is not None:  # else nothing calls it
            read = _read(part, recorders[part].inputs, paths[0])
            for path in paths:
                model.set_submodule(path, read)
    return model


class _Recorder(nn.Module):
    """Remembers what a part was first called with."""

    def __init__(self, part: ScriptModule) -> None:
        super().__init__()
        self.part, self.inputs = part, None

    inputs: Any

    def forward(self, *inputs: Any) -> Any:
        if self.inputs is None:
            self.inputs = inputs
        return self.part(*inputs)


def _parts(model: nn.Module, leaves: tuple[str, ...]) -> dict[ScriptModule, list[str]]:
    """The outermost scripted modules that have weights, with all paths that each lies at."""
    found: dict[ScriptModule, list[str]] = {}
    outer = ""
    for path, module in model.named_modules(remove_duplicate=False):  # each before those in it
        if not isinstance(module, ScriptModule) or (outer and path.startswith(f"{outer}.")):
            continue
        outer = path
        if _has_weights(module) and not any(fnmatchcase(path, leaf) for leaf in leaves):
            found.setdefault(module, []).append(path)
    return found


def _has_weights(part: ScriptModule) -> bool:
    """Tell whether it has parameters, or, being frozen, constants of their kind."""
    graph: Any = part.inlined_graph  # held, for its nodes go with it
    constants = graph.findAllNodes("prim::Constant")
    stored = (node.t("value") for node in constants if node.hasAttribute("value") and node.kindOf("value") == "t")
    return next(part.parameters(), None) is not None or any(tensor.ndim > 1 for tensor in stored)


def _read(part: ScriptModule, inputs: Any, path: str) -> nn.Module:
    try:
        return read_script(part, inputs)
    except Exception as error:
        what = f"{path} is a TorchScript module" if path else "the model is a TorchScript module"
        remedy = f", or keep it whole: leaf=[{path!r}], --leaf {path}" if path else ""
        raise TraceError(
            f"{what} (torch.jit) that can't be read ({first_line(error)}); build it in Python and load its weights"
            f" (its state_dict){remedy}"
        ) from error

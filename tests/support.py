"""What many tests ask of a model."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from rdpass.core.comparison import relative_error
from rdpass.core.tensors import arrays_of


def error_between(a: nn.Module, b: nn.Module, *inputs: Tensor) -> float:
    """Largest relative difference of all outputs, in eval mode."""
    with torch.no_grad():
        got, wanted = arrays_of(a.eval()(*inputs)), arrays_of(b.eval()(*inputs))
    assert len(got) == len(wanted)
    return max(relative_error(g, w) for g, w in zip(got, wanted, strict=True))


def lines_run(function: Callable[..., object], *arguments: object) -> int:
    """Lines of Python that a call runs: how its work grows, on however busy a machine (loops inside C are not seen)."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)
    return count


class Untouched:
    """Remembers a module and asserts later that nothing of it has changed: values, flags, gradients, hooks, graph."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.before = module, self._state(module)
        self.values = copy.deepcopy(self._tensors(module))

    @staticmethod
    def _tensors(module: nn.Module) -> dict[str, Tensor]:
        """Parameters and buffers, those too that no state dict holds."""
        return {**dict(module.named_parameters()), **dict(module.named_buffers())}

    @staticmethod
    def _state(module: nn.Module) -> list[object]:
        facts: list[object] = [
            (name, type(m), m.training, _hooks(m), getattr(m, "inplace", None), sorted(vars(m)))
            for name, m in module.named_modules()
        ]
        facts += [(name, p.requires_grad, _id(p.grad), id(p)) for name, p in module.named_parameters()]
        facts += [(name, id(b)) for name, b in module.named_buffers()]
        return [*facts, str(module.graph) if isinstance(module, torch.fx.GraphModule) else ""]

    def check(self) -> None:
        assert self._state(self.module) == self.before
        for name, value in self._tensors(self.module).items():
            assert torch.equal(value, self.values[name]), name


def _hooks(module: nn.Module) -> list[int]:
    """The hooks themselves, of every kind that a module holds."""
    held = (value for name, value in sorted(vars(module).items()) if name.endswith("_hooks"))
    return [id(hook) for hooks in held if hooks for hook in hooks.values()]


def _id(value: object) -> int | None:
    return None if value is None else id(value)

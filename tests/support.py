"""What many tests ask of a model."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from rdpass.comparison import relative_error
from rdpass.tensors import arrays_of


def error_between(a: nn.Module, b: nn.Module, *inputs: Tensor) -> float:
    """Largest relative difference of all outputs, in eval mode."""
    with torch.no_grad():
        got, wanted = arrays_of(a.eval()(*inputs)), arrays_of(b.eval()(*inputs))
    assert len(got) == len(wanted)
    return max(relative_error(g, w) for g, w in zip(got, wanted, strict=True))


class Untouched:
    """Remembers a module and asserts later that nothing of it has changed: values, flags, gradients, hooks, graph."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.before = module, self._state(module)
        self.values = copy.deepcopy(module.state_dict())

    @staticmethod
    def _state(module: nn.Module) -> list[object]:
        facts: list[object] = [
            (name, type(m), m.training, len(m._forward_hooks), getattr(m, "inplace", None))
            for name, m in module.named_modules()
        ]
        facts += [(name, p.requires_grad, p.grad is None, id(p)) for name, p in module.named_parameters()]
        return [*facts, str(module.graph) if isinstance(module, torch.fx.GraphModule) else ""]

    def check(self) -> None:
        assert self._state(self.module) == self.before
        for name, value in self.module.state_dict().items():
            assert torch.equal(value, self.values[name]), name

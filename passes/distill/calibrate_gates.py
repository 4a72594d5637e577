"""Calibrate the gates of a fading graph: take back the shortcuts that move into the maps they read.

A gate's first layer gives W p + b for the pooled map p. With the branches inside the body p holds what the shortcut
carried, too, and the gate, driven far from where it was trained, opens or shuts for good. So the layer is given a bias
d, growing with the branches, that restores its mean at their full strength to what it is in the teacher:

    d = mean(W p + b, at u = 0) - mean(W p + b, at u = 1)

At u = 1 the statistics of batch norms are taken from the batch itself, for the running ones are of u = 0, and the gates
are set one after another, each behind those before it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.fx import Interpreter, Node

from rdpass.passes.distill.fade_shortcuts import Fading
from rdpass.passes.graph.layers import ShiftedBias
from rdpass.passes.graph.node_kinds import BATCH_NORMS


def calibrate_gates(fading: Fading, inputs: tuple[Tensor, ...]) -> None:
    """Set every gate's shift in place, by one batch of the graph's inputs; nothing else of the graph changes."""
    wanted: dict[str, Tensor] = {}
    trial = replace(fading, module=deepcopy(fading.module).eval())
    trial.set_faded(0.0)
    _run(trial, inputs, lambda path, shift, linear: wanted.update({path: linear.mean(0)}))
    trial.set_faded(1.0)
    if len(inputs[0]) > 1:
        for module in trial.module.modules():
            module.train(isinstance(module, BATCH_NORMS))

    def restore(path: str, shift: ShiftedBias, linear: Tensor) -> None:
        shift.bias.copy_((wanted[path] - linear.mean(0)).flatten() / shift.strength)
        own = fading.module.get_submodule(path)
        assert isinstance(own, ShiftedBias)
        own.bias.data.copy_(shift.bias)

    _run(trial, inputs, restore)


def _run(fading: Fading, inputs: tuple[Tensor, ...], see: Callable[[str, ShiftedBias, Tensor], None]) -> None:
    with torch.no_grad():
        _Watch(fading, see).run(*(x.clone() for x in inputs))


class _Watch(Interpreter):
    """Runs the graph once; ``see`` is told of every shift and what it is about to be added to."""

    def __init__(self, fading: Fading, see: Callable[[str, ShiftedBias, Tensor], None]) -> None:
        super().__init__(fading.module)
        self.see = see

    def run_node(self, n: Node) -> Any:
        if n.op == "call_module" and isinstance(shift := self.fetch_attr(str(n.target)), ShiftedBias):
            self.see(str(n.target), shift, self.env[n.all_input_nodes[0]])
        return super().run_node(n)

"""The passes between ONNX and machine code, in their order; what each does is tested beside it."""

from __future__ import annotations

from typing import Any

from rdpass.deploy.lowering import lower_for
from rdpass.kernels.machine import machine_of
from rdpass.passes.lowering.pipeline import lowering


def test_the_pipeline_puts_kernels_between_restored_operators_and_tvms_own_lowering(target: Any) -> None:
    names = [step.info.name for step in lowering(machine_of(target), {})]
    order = ["RestoreExtrema", "FoldConstants", "OrderLayers", "PlaceKernels", "LegalizeOps", "FuseOps", "PlanArena"]
    assert [name for name in dict.fromkeys(names) if name in order] == order
    assert names[-1] == "AttachGlobalSymbol"


def test_lowering_leaves_its_input_as_it_was(module: Any, target: Any) -> None:
    before = module.script()
    lower_for(module, target)
    assert module.script() == before

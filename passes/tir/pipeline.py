"""The TIR pipelines that networks and kernels are built with: TVM's own for schedules, and locals on the stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
from tvm import tirx
from tvm.s_tir import pipeline as tvm_pipeline

from rdpass.passes.tir.lift_locals import lift_locals
from rdpass.passes.tir.pointer_arguments import take_pointers
from rdpass.passes.tir.stack_locals import StackLocals

NAME = "rdpass"
"""Its name in ``tvm.tirx.build(..., pipeline=NAME)`` and ``tvm.compile(..., tir_pipeline=...)``."""


def tir_pipeline() -> tuple[Any, Any, Any]:
    """Passes for all functions, for those of the host, and for those of a device, as TVM wants them."""
    passes, host, device = tvm_pipeline.default_s_tir_pipeline()
    return passes, lambda: tvm.transform.Sequential([StackLocals(), host()]), device


def lower_to_pointers(module: tvm.IRModule, target: tvm.target.Target, symbols: Mapping[str, str]) -> tvm.IRModule:
    """Every function of ``module`` as TVM's code generator takes it, a C function of pointers (``pointer_arguments``)
    that allocates nothing (``lift_locals``).

    Raises:
        ConfigError: a function needs TVM's runtime.
    """
    passes, host, _ = tvm_pipeline.default_s_tir_pipeline()
    bind = tirx.transform.BindTarget(target.with_host(target))
    lowered = tvm.transform.Sequential([bind, passes, StackLocals()])(take_pointers(module, symbols))
    return host()(lift_locals(lowered))


tirx.register_tir_pipeline(NAME, tir_pipeline)

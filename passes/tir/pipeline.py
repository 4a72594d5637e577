"""The TIR pipeline that networks and kernels are built with: TVM's own for schedules, and locals on the stack."""

from __future__ import annotations

from typing import Any

import tvm
from tvm import tirx
from tvm.s_tir import pipeline as tvm_pipeline

from rdpass.passes.tir.stack_locals import StackLocals

NAME = "rdpass"
"""Its name in ``tvm.tirx.build(..., pipeline=NAME)`` and ``tvm.compile(..., tir_pipeline=...)``."""


def tir_pipeline() -> tuple[Any, Any, Any]:
    """Passes for all functions, for those of the host, and for those of a device, as TVM wants them."""
    passes, host, device = tvm_pipeline.default_s_tir_pipeline()
    return passes, lambda: tvm.transform.Sequential([StackLocals(), host()]), device


tirx.register_tir_pipeline(NAME, tir_pipeline)

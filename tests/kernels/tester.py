"""The one tester of all kernels, on this machine."""

from __future__ import annotations

import platform

import numpy as np
import tvm

from rdpass.comparison import check_close
from rdpass.lowering import tvm_target
from rdpass.passes.tir.pipeline import NAME
from rdpass.targets import host_target
from tests.kernels.case import Case

IS_X86 = platform.machine() == "x86_64"


def check(case: Case, tolerance: float) -> float:
    """Run ``case`` here and return its relative error.

    Raises:
        ParityError: it is larger than ``tolerance``.
        AssertionError: an input was written to, or a part of the output was not (it holds NaN before the call).
    """
    built = tvm.tirx.build(
        tvm.IRModule({"kernel": case.function.with_attr("global_symbol", "kernel")}),
        target=tvm_target(host_target()), pipeline=NAME,
    )  # fmt: skip
    before = np.full(case.shape, np.nan, np.float32) if case.before is None else case.before
    tensors = [tvm.runtime.tensor(array) for array in (*case.inputs, before)]
    built["kernel"](*tensors)
    for given, tensor in zip(case.inputs, tensors, strict=False):
        assert np.array_equal(given, tensor.numpy()), f"{case.name} wrote to an input"
    output = tensors[-1].numpy()
    assert np.isfinite(output).all(), f"{case.name} left {int((~np.isfinite(output)).sum())} numbers unwritten"
    return check_close(case.name, [case.unpack(output)], [case.expected], tolerance).error

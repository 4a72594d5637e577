"""The one tester of all kernels: runs a case on this machine and judges what came out, wherever it ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tvm

from rdpass.core.comparison import Array, check_close
from rdpass.deploy.lowering import tvm_target
from rdpass.passes.tir.pipeline import NAME
from rdpass.targets.lookup import cpu_features, host_target
from tests.kernels.case import Case

WITH_EVERYTHING = replace(host_target(), features=tuple(sorted({*host_target().features, *cpu_features()})))
"""This machine, with what its CPU has beyond its level."""


def check(case: Case, tolerance: float) -> float:
    """Run ``case`` here and return its relative error. Kernels of any instruction set can be built for this machine.

    Raises:
        ParityError: it is larger than ``tolerance``.
        AssertionError: an input was written to, or a part of the output was not.
    """
    return judge(case, run(case), tolerance)


def run(case: Case) -> list[Array]:
    """What the arguments of ``case`` hold after a call on this machine."""
    module = tvm.IRModule({"kernel": case.function.with_attr("global_symbol", "kernel")})
    built = tvm.tirx.build(module, target=tvm_target(WITH_EVERYTHING), pipeline=NAME)
    tensors = [tvm.runtime.tensor(array) for array in case.arguments]
    built["kernel"](*tensors)
    return [tensor.numpy() for tensor in tensors]


def judge(case: Case, after: Sequence[Array], tolerance: float) -> float:
    """The relative error of ``case``, given what its arguments hold after the call. Raises as ``check``."""
    *inputs, output, _ = after
    for index, (before, now) in enumerate(zip(case.inputs, inputs, strict=True)):
        assert before.tobytes() == now.tobytes(), f"{case.name} wrote to its input {index}"
    if output.dtype.kind != "f":
        wrong = int((case.unpack(output) != case.expected).sum())
        assert not wrong, f"{case.name} has {wrong} of {case.expected.size} numbers wrong"
        return 0.0
    unwritten = int((~np.isfinite(output)).sum())
    assert not unwritten, f"{case.name} left {unwritten} numbers unwritten, or read what nobody wrote"
    return check_close(case.name, [case.unpack(output)], [case.expected], tolerance).error

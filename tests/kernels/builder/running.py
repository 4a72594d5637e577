"""Small functions in the builder's words, run on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tvm

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32, NumericType
from rdpass.deploy.lowering import tvm_target
from rdpass.kernels.builder.emit import serial
from rdpass.kernels.builder.function import WORKSPACE, argument, function, load, store
from rdpass.passes.tir.pipeline import NAME
from rdpass.targets.lookup import host_target
from tests.kernels.case import poisoned


def ran(write: Callable[..., None], *given: Array, workspace: NumericType = FLOAT32) -> list[Array]:
    """What arrays hold after ``write`` has run on them, its buffers in their order: integers as they are, all others as
    float32. The workspace, of that type, holds poison before.
    """
    arrays = [array if array.dtype.kind in "iu" else np.asarray(array, np.float32) for array in given]

    def body() -> None:
        write(*(argument(f"a{index}", NumericType(str(a.dtype)), *a.shape) for index, a in enumerate(arrays)))

    kernel = function("kernel", workspace, body)
    memory = poisoned((int(kernel.attrs[WORKSPACE]),), workspace.value)
    module = tvm.IRModule({"kernel": kernel.with_attr("global_symbol", "kernel")})
    built = tvm.tirx.build(module, target=tvm_target(host_target()), pipeline=NAME)
    tensors = [tvm.runtime.tensor(array) for array in arrays]
    built["kernel"](*tensors, tvm.runtime.tensor(memory))
    return [tensor.numpy() for tensor in tensors]


def unwritten(*shape: int) -> Array:
    """An output before the call."""
    return np.full(shape, np.nan, np.float32)


def mapped(rule: Callable[[Any], Any], x: Array, lanes: int) -> Array:
    """``rule`` of every vector of ``x``, whose numbers are whole vectors."""

    def write(source: Any, out: Any) -> None:
        with serial(x.size // lanes) as index:
            store(out, rule(load(source, index * lanes, lanes=lanes)), index * lanes, lanes=lanes)

    return ran(write, x, unwritten(x.size))[1]

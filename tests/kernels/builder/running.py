"""Small functions in the builder's words, run on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tvm

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.deploy.lowering import tvm_target
from rdpass.kernels.builder.emit import serial
from rdpass.kernels.builder.function import WORKSPACE, argument, function, load, store
from rdpass.passes.tir.pipeline import NAME
from rdpass.targets.lookup import host_target


def ran(write: Callable[..., None], *given: Array) -> list[Array]:
    """What arrays hold after ``write`` has run on them, its buffers in their order; the workspace holds NaN before."""

    def body() -> None:
        write(*(argument(f"a{index}", FLOAT32, *array.shape) for index, array in enumerate(given)))

    kernel = function("kernel", FLOAT32, body)
    workspace = np.full(int(kernel.attrs[WORKSPACE]), np.nan, np.float32)
    module = tvm.IRModule({"kernel": kernel.with_attr("global_symbol", "kernel")})
    built = tvm.tirx.build(module, target=tvm_target(host_target()), pipeline=NAME)
    tensors = [tvm.runtime.tensor(np.asarray(array, np.float32)) for array in given]
    built["kernel"](*tensors, tvm.runtime.tensor(workspace))
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

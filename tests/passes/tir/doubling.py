"""A function that doubles what it is given, by way of an array of its own."""

from __future__ import annotations

from typing import Any

import tvm
from tvm.script.ir_builder import tirx as T

from rdpass.core.numeric_types import FLOAT32
from rdpass.deploy.lowering import tvm_target
from rdpass.kernels.builder.emit import parallel, serial
from rdpass.kernels.builder.function import argument, function, load, store
from rdpass.passes.tir.pipeline import lower_to_pointers
from rdpass.targets.lookup import Target, find_target

BOARD = find_target("rpi4")


def doubling(floats: int, threads: int = 1) -> tvm.IRModule:
    """Four rows of so many numbers; each thread has an array of that size."""

    def write() -> None:
        x, y = argument("x", FLOAT32, 4, floats), argument("y", FLOAT32, 4, floats)
        with parallel(4, threads=threads) as (row,):
            held = T.alloc_buffer((floats,), "float32")
            with serial(floats) as index:
                store(held, load(x, row, index, lanes=1) * T.float32(2), index, lanes=1)
            with serial(floats) as index:
                store(y, load(held, index, lanes=1), row, index, lanes=1)

    return tvm.IRModule({"double": function("double", FLOAT32, write).without_attr("global_symbol")})


def lowered(module: tvm.IRModule, target: Target = BOARD) -> Any:
    """The one function of ``module``, as TVM's code generator takes it."""
    return lower_to_pointers(module, tvm_target(target), {"double": "rdpass_double"})["double"]

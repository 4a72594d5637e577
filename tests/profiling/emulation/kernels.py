"""Small functions for the emulator, of known instruction counts or known faults."""

from __future__ import annotations

from typing import Any

from tvm import te
from tvm.script import tirx as T


def matmul(rows: int, columns: int, depth: int) -> Any:
    """C = A B, as TVM lowers it."""
    a, b = te.placeholder((rows, depth), name="A"), te.placeholder((depth, columns), name="B")
    k = te.reduce_axis((0, depth), "k")
    c = te.compute((rows, columns), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")
    return te.create_prim_func([a, b, c])


def through_workspace(size: int) -> Any:
    """y = 2 x + 1, by way of a buffer too large for the stack."""

    @T.prim_func(s_tir=True)
    def function(x: T.Buffer((size,), "float32"), y: T.Buffer((size,), "float32")) -> None:
        doubled = T.alloc_buffer((size,), "float32")
        for i in range(size):
            doubled[i] = x[i] * T.float32(2)
        for i in range(size):
            y[i] = doubled[i] + T.float32(1)

    return function


def in_parallel(size: int) -> Any:
    """y = x + 1, over threads."""

    @T.prim_func(s_tir=True)
    def function(x: T.Buffer((size, 64), "float32"), y: T.Buffer((size, 64), "float32")) -> None:
        for i in T.parallel(size):
            for j in range(64):
                y[i, j] = x[i, j] + T.float32(1)

    return function


def add_in_place(size: int) -> Any:
    """y += x."""

    @T.prim_func(s_tir=True)
    def function(x: T.Buffer((size,), "float32"), y: T.Buffer((size,), "float32")) -> None:
        for i in range(size):
            y[i] = y[i] + x[i]

    return function


def reads_what_nobody_wrote(size: int) -> Any:
    """y = t, where only the last call has left something in t."""

    @T.prim_func(s_tir=True)
    def function(x: T.Buffer((size,), "float32"), y: T.Buffer((size,), "float32")) -> None:
        scratch = T.alloc_buffer((size,), "float32")
        for i in range(size):
            y[i] = scratch[i]
        for i in range(size):
            scratch[i] = x[i]

    return function


def vector_multiply(rows: int, depth: int) -> Any:
    """y[i] = depth x[i] * w, four lanes at a time, one multiply-add after another in a register."""

    @T.prim_func(s_tir=True)
    def function(
        x: T.Buffer((rows, 4), "float32"), w: T.Buffer((4,), "float32"), y: T.Buffer((rows, 4), "float32")
    ) -> None:
        for i in range(rows):
            y[i, T.ramp(0, 1, 4)] = T.Broadcast(T.float32(0), 4)
            for _ in range(depth):
                y[i, T.ramp(0, 1, 4)] = y[i, T.ramp(0, 1, 4)] + x[i, T.ramp(0, 1, 4)] * w[T.ramp(0, 1, 4)]

    return function

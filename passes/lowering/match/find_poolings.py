"""Poolings that a kernel of ours computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from rdpass.kernels.workload import Pooling
from rdpass.passes.lowering.dataflow import Dataflow, operator_of, shape_of, types_of
from rdpass.passes.lowering.match.placement import Placement


def find_poolings(flow: Dataflow) -> Iterator[Placement]:
    for variable, value in flow.bindings:
        pool = pooling_of(flow, variable)
        if pool is not None:
            yield Placement(variable, value.args[0], pool)


def pooling_of(flow: Dataflow, variable: Any) -> Pooling | None:
    """The pooling that ``variable`` is bound to, if a kernel of ours computes such."""
    call: Any = flow.value(variable)
    kind: Literal["max", "average"] = "max" if operator_of(call) == "relax.nn.max_pool2d" else "average"
    if operator_of(call) not in ("relax.nn.max_pool2d", "relax.nn.avg_pool2d"):
        return None
    shape, out, given = shape_of(call.args[0]), shape_of(variable), call.attrs
    if shape is None or out is None or (given.layout, given.out_layout) != ("NCHW", "NCHW"):
        return None
    if [int(number) for number in given.dilation] != [1, 1]:
        return None
    (kh, kw), (sh, sw) = ([int(number) for number in pair] for pair in (given.pool_size, given.strides))
    top, left, bottom, right = (int(number) for number in given.padding)
    divisor = kh * kw if kind == "average" and given.count_include_pad else 0
    # What rounding up adds lies outside the map, and counts in no average.
    needed = (out[2] - 1) * sh + kh - shape[2] - top, (out[3] - 1) * sw + kw - shape[3] - left
    if divisor and (needed[0] > bottom or needed[1] > right):
        return None
    batch, channels, height, width = shape
    padding = top, left, max(needed[0], 0), max(needed[1], 0)
    types = types_of(variable)
    pool = Pooling(batch, channels, height, width, kind, (kh, kw), (sh, sw), padding, divisor, types)
    covered = top < kh and left < kw and (out[2] - 1) * sh < shape[2] + top and (out[3] - 1) * sw < shape[3] + left
    return pool if covered and (pool.out_height, pool.out_width) == out[2:] else None

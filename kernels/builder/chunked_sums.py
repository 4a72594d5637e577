"""Long sums of float16 in chunks: each is summed from zero, and then added to what was summed before.

Every addition rounds to 2^-11 of the sum so far. Products that are added one by one meet as many roundings as there are
products, the later ones of nearly the whole sum; in chunks each product meets those of its chunk, and then those of
whole chunks. Sums of chunks in float32 would give no better networks (docs/precision.md).
"""

from __future__ import annotations

from collections.abc import Callable

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.numeric_types import FLOAT16
from rdpass.kernels.builder.emit import Registers, bind, broadcast, serial
from rdpass.kernels.builder.function import Expr, load, passing, scratch, store

CHUNK = 256
"""Products of a chunk, about."""


def add_in_chunks(sums: Registers, count: int, steps: int, products: int, add: Callable[[Expr], None]) -> None:
    """Write ``add(step)`` for all ``steps``, in chunks where sums are float16 and long, else in one loop.

    Args:
        sums: what is added to; its first ``count`` vectors.
        steps: how many there are.
        products: how many of them a step adds to each number of the sums.
        add: writes a step.
    """
    chunks = -(-steps * products // CHUNK)
    length = -(-steps // min(steps, chunks))
    if sums.vector.numeric is not FLOAT16 or length == steps:
        with serial(steps) as step:
            add(step)
        return
    number, every, lanes = -(-steps // length), range(count), sums.lanes
    with passing():
        # Totals go from one half of the memory to the other and back. In one place, or in registers, the compiler would
        # hold them beside the sums, which need all registers there are.
        totals = scratch(2, count, lanes)
        for index in every:
            store(totals, sums[index], 0, index, 0, lanes=lanes)
        with serial(number) as chunk:
            for index in every:
                sums[index] = broadcast(0.0, sums.vector)
            first, half = bind(chunk * length), bind(tirx.floormod(chunk, 2))
            with T.serial(first, first + length if steps % length == 0 else tirx.min(first + length, steps)) as step:
                add(step)
            for index in every:
                store(totals, load(totals, half, index, 0, lanes=lanes) + sums[index], 1 - half, index, 0, lanes=lanes)
        for index in every:
            sums[index] = load(totals, number % 2, index, 0, lanes=lanes)

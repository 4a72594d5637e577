"""Instructions of blocks, against what each was written to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT32, INT8, INT32, NumericTypes
from rdpass.kernels.builder.emit import Registers, bind, broadcast, lane, serial
from rdpass.kernels.builder.function import load, store
from rdpass.kernels.choice import build_kernels, choose_default
from rdpass.kernels.machine import machine_of
from rdpass.kernels.workload import Convolution
from rdpass.kernels.workload.lookup import Lookup
from rdpass.profiling.account.block import Block
from rdpass.profiling.account.loops import count
from rdpass.targets.isa import Vector
from rdpass.targets.lookup import find_target
from tests.kernels.numbers import integer_constants
from tests.profiling.account.written import totals, written

FOUR = Vector(FLOAT32, 4)


def test_a_sum_of_a_product_is_one_instruction_and_registers_are_free() -> None:
    def body(x: Any, y: Any) -> None:
        sums = Registers(2, FOUR)
        value = bind(load(x, 0, lanes=4))
        for index in range(2):
            sums[index] = value
        with serial(5) as step:
            weight = bind(load(x, step * 4, lanes=4))
            for index in range(2):
                sums[index] = sums[index] + weight * lane(value, index, 4)
        store(y, sums[0] + sums[1], 0, lanes=4)

    blocks = count(written(body)).blocks
    assert totals(written(body)) == {"multiplies": 10, "floats": 2, "loads": 6, "stores": 1}
    (loop,) = (block for block in blocks if block.multiplies)
    assert (loop.chain, blocks[loop]) == (1, 5)


def test_wide_vectors_are_several_and_a_division_is_told_apart() -> None:
    def body(x: Any, y: Any) -> None:
        value = bind(load(x, 0, lanes=16))
        store(y, broadcast(1.0, Vector(FLOAT32, 16)) / value, 0, lanes=16)

    assert totals(written(body)) == {"loads": 4, "divisions": 4, "stores": 4}


@pytest.mark.parametrize(("step", "runs"), [(1, 16), (2, 64)])
def test_a_loop_over_neighbours_runs_as_vectors_and_one_over_others_does_not(step: int, runs: int) -> None:
    def body(x: Any, y: Any) -> None:
        with serial(64) as index:
            store(y, load(x, index * step // 2 if step == 2 else index, lanes=1), index * step, lanes=1)

    ((block, found),) = count(written(body)).blocks.items()
    assert (block.loads, block.stores, found) == (1, 1, runs)


def test_sums_of_bytes_take_three_instructions_for_sixteen_products() -> None:
    """SMULL, SMLAL2 and SADALP: halves are free, and what adds adds in the same instruction."""
    work = replace(Convolution(1, 256, 16, 8, 8, (1, 1)), types=NumericTypes(INT8, INT8, INT32, INT8))
    machine = machine_of(find_target("rpi4"))
    tile = choose_default(work, machine)
    (kernel,) = build_kernels(work, integer_constants(work, 0), tile, machine)
    found = totals(kernel.function)
    sixteens = 256 * 16 * 64 // 16
    assert found["products"] == 2 * sixteens
    assert sixteens <= found["integers"] <= 1.2 * sixteens
    assert found["pairs"] == sixteens


def test_a_convolution_multiplies_as_often_as_it_has_products() -> None:
    work = Convolution(1, 16, 32, 9, 7, (1, 1))
    constants = np.ones((32, 16, 1, 1), FLOAT32), np.ones((1, 32), FLOAT32)
    machine = machine_of(find_target("rpi4"))
    (kernel,) = build_kernels(work, constants, choose_default(work, machine), machine)
    found = totals(kernel.function)
    assert found["multiplies"] == 16 * 32 * 9 * 7 // 4
    assert found["stores"] == 32 * 9 * 7 // 4
    assert Block() not in count(kernel.function).blocks


def test_loads_of_half_a_register_are_told_apart() -> None:
    def body(x: Any, y: Any) -> None:
        store(y, load(x, 0, lanes=2), 0, lanes=2)
        store(y, load(x, 4, lanes=4), 4, lanes=4)

    assert totals(written(body)) == {"loads": 2, "halves": 1, "stores": 2}


def test_a_look_up_counts_every_register_of_its_table() -> None:
    work = Lookup(1, 64, 64)
    machine = machine_of(find_target("rpi4"))
    (kernel,) = build_kernels(work, (np.arange(-128, 128).astype(INT8.value),), choose_default(work, machine), machine)
    assert totals(kernel.function)["integers"] >= 16 * 64 * 64 // 16

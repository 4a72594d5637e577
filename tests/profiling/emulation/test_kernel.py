"""What one compiled function costs: right outputs, counts that repeat, faults that are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rdpass.core.comparison import relative_error
from rdpass.core.errors import ConfigError, DeviceError
from rdpass.profiling.emulation.kernel import KernelCost, measure_kernel
from rdpass.profiling.emulation.throughput import CORES
from rdpass.targets.lookup import Target

from .kernels import add_in_place, in_parallel, matmul, reads_what_nobody_wrote, through_workspace, vector_multiply

LENGTH = 4096
x = np.arange(LENGTH, dtype=np.float32)


def _plain(cost: KernelCost) -> KernelCost:
    return replace(cost, outputs=tuple(output.tobytes() for output in cost.outputs))


def test_a_matrix_product_is_right_and_costs_the_same_twice(llvm: None, rpi4: Target) -> None:
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((24, 24)).astype(np.float32) for _ in "ab")
    cost, again = (measure_kernel(matmul(24, 24, 24), [a, b], rpi4) for _ in range(2))
    assert relative_error(cost.outputs[0], a.astype(np.float64) @ b) < 1e-6
    assert cost.instructions > 24**3 / 4
    assert cost.instructions == sum(cost.classes.values())
    assert set(cost.cycles) == set(CORES)
    assert cost.cycles["cortex-a55"] > cost.cycles["neoverse-n1"] > 0
    assert _plain(cost) == _plain(again)


def test_a_vector_kernels_fmla_are_counted_and_its_hot_loop_is_shown(llvm: None, rpi4: Target) -> None:
    cost = measure_kernel(vector_multiply(64, 1000), [np.ones((64, 4), np.float32), np.ones(4, np.float32)], rpi4)
    assert np.array_equal(cost.outputs[0], np.full((64, 4), 1000, np.float32))
    assert cost.fmla == 64 * 1000
    (loop,) = (loop for loop in cost.hot_loops if loop.fmla)
    assert cost.fmla_share_of_hot_loops == (loop.fmla / loop.instructions,)
    assert loop.instructions == len(loop.assembly)
    unneeded = sum(line.startswith(("add", "sub", "cmp", "b")) for line in loop.assembly)
    assert loop.fmla <= loop.fewest <= loop.instructions - unneeded
    assert loop.fmla_share < loop.fmla_bound <= 1
    assert loop.runs * loop.fmla == pytest.approx(cost.fmla, rel=0.02)
    assert any(line.startswith("fmla") for line in loop.assembly)


def test_workspaces_are_counted_and_warm(llvm: None, rpi4: Target) -> None:
    cost = measure_kernel(through_workspace(LENGTH), [x], rpi4)
    assert np.array_equal(cost.outputs[0], 2 * x + 1)
    assert cost.workspace_bytes == 4 * LENGTH
    assert cost.l2_miss_bytes == 0
    assert cost.l1_miss_bytes >= 3 * 4 * LENGTH


def test_parallel_loops_run_on_one_thread(llvm: None, rpi4: Target) -> None:
    cost = measure_kernel(in_parallel(64), [x.reshape(64, 64)], rpi4)
    assert np.array_equal(cost.outputs[0].ravel(), x + 1)


def test_what_is_read_and_written_is_as_given_for_the_measured_call(llvm: None, rpi4: Target) -> None:
    cost = measure_kernel(add_in_place(LENGTH), [x, 3 * x], rpi4, outputs=1)
    assert np.array_equal(cost.outputs[0], 4 * x)


def test_a_kernel_that_reads_what_nobody_wrote_is_found(rpi4: Target) -> None:
    with pytest.raises(DeviceError, match="two calls differ"):
        measure_kernel(reads_what_nobody_wrote(LENGTH), [x], rpi4)


def test_arrays_that_do_not_fit_are_refused(rpi4: Target) -> None:
    with pytest.raises(ConfigError, match="parameter 0 is float32"):
        measure_kernel(through_workspace(LENGTH), [x[:-1]], rpi4)
    with pytest.raises(ConfigError, match="parameter 0 is float32"):
        measure_kernel(through_workspace(LENGTH), [x.astype(np.float64)], rpi4)
    with pytest.raises(ConfigError, match="1 arrays and 0 outputs"):
        measure_kernel(through_workspace(LENGTH), [x], rpi4, outputs=0)

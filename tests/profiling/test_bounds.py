"""What bounds a call, by figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdpass.core.call_plan import PlannedCall
from rdpass.profiling.bounds import Bound, Machine, bound_of, multiplies_per_fma, winograd_ratio
from rdpass.targets.lookup import find_target
from rdpass.targets.target import Target

BOARD = Target("x", "aarch64-linux-gnu", "cortex-a72", 4, ("asimd",), 1.0, 4, l2_bytes=10**6, dram_gbps=2.0)
"""4e9 multiplications a second on a core, 2e9 bytes a second from memory."""
HERE = Machine(BOARD, 1, keeps_all=False)
CALL = PlannedCall("f32_direct_k3x3_16_16", operations=8 * 10**6, bytes=5 * 10**5, weights=4 * 10**5)
"""A millisecond of arithmetic on one core; weights of a fifth of a millisecond."""


@pytest.mark.parametrize(
    ("call", "ms", "machine", "kind", "arithmetic", "memory"),
    [
        (CALL, 1.25, HERE, "arithmetic", 0.8, 0.16),
        (CALL, 1.25, replace(HERE, keeps_all=True), "arithmetic", 0.8, 0.0),
        (CALL, 0.5, replace(HERE, cores=4), "arithmetic", 0.5, 0.4),
        (CALL, 10.0, HERE, "neither", 0.1, 0.02),
        (replace(CALL, operations=80), 0.25, HERE, "memory", 4e-5, 0.8),
        (replace(CALL, bytes=2 * 10**6), 1.25, HERE, "arithmetic", 0.8, 0.8),  # more than the cache: all of it
        (replace(CALL, operations=80, weights=0), 0.001, HERE, "short", 0.01, 0.0),
        (replace(CALL, function="f32_winograd2_k3x3_16_16"), 0.5, HERE, "arithmetic", 1 / 2.25 / 0.5, 0.4),
    ],
)
def test_the_larger_share_bounds_a_call_where_it_is_half_of_its_time(
    call: PlannedCall, ms: float, machine: Machine, kind: str, arithmetic: float, memory: float
) -> None:
    found = bound_of(call, ms, machine)
    assert found.kind == kind
    assert (found.arithmetic, found.memory) == (pytest.approx(arithmetic), pytest.approx(memory))


def test_without_the_targets_figures_nothing_is_said() -> None:
    for unknown in (replace(BOARD, clock_ghz=0.0), replace(BOARD, dram_gbps=0.0), replace(BOARD, macs_per_cycle=0)):
        assert bound_of(CALL, 1.0, replace(HERE, target=unknown)) == Bound("unknown")
    assert bound_of(CALL, 0.0, HERE) == Bound("short")


@pytest.mark.parametrize(
    ("function", "ratio"),
    [("f32_winograd4_k3x3_32_32", 4.0), ("f32_winograd4x2_k3x3_64_64", 3.0), ("f32_winograd2_k3x3_8_8", 2.25),
     ("f32_direct_k3x3_8_8", 1.0), ("f32_strided_winograd2_k3x3_s2_8", 1.0), ("s8_winograd_k3x3_16", 1.0)],
)  # fmt: skip
def test_winograds_kernels_multiply_less(function: str, ratio: float) -> None:
    assert winograd_ratio(function) == ratio


@pytest.mark.parametrize(
    ("board", "function", "factor"),
    [("rpi4", "f32_direct", 1.0), ("rpi5", "f16_direct", 2.0), ("rpi5", "s8_direct", 4.0), ("rpi5", "s8_f32_head", 4.0),
     ("graviton3", "s8_direct", 8.0), ("rpi4", "s8_direct", 4 / 3), ("rpi4", "fused_softmax", 1.0)],
)  # fmt: skip
def test_narrow_numbers_are_multiplied_as_the_instruction_set_has_it(board: str, function: str, factor: float) -> None:
    assert multiplies_per_fma(function, find_target(board)) == pytest.approx(factor)

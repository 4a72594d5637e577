"""Estimated cycles: the floor under LLVM's models, blocks a model can't take, and what is not covered."""

from __future__ import annotations

import pytest

from rdpass.profiling.emulation.blocks import BasicBlock
from rdpass.profiling.emulation.cycles import measure_blocks
from rdpass.profiling.emulation.throughput import CORES

from .words import BRANCH, FMLA, SUBS, cycles_of


def test_what_is_not_covered_runs_at_the_covered_blocks_rate(llvm: None) -> None:
    hot, cold = BasicBlock(0, 1000, tuple(FMLA)), BasicBlock(64, 1, (SUBS, BRANCH))
    times = measure_blocks([hot, cold])
    for core in CORES:
        rate = cycles_of(core, *FMLA) / len(FMLA)
        assert times.cycles([hot, cold], core) == pytest.approx((1000 * len(FMLA) + 2) * rate)
        assert times.cycles([cold], core) == pytest.approx(2 * rate)

"""Cycles of blocks: the floor under LLVM's models, and blocks that a model can't take."""

from __future__ import annotations

import pytest

from rdpass.profiling.emulation.blocks import BasicBlock
from rdpass.profiling.emulation.throughput import block_cycles

from .words import ADRP, BRANCH, FMLA, SUBS, SVE, cycles_of


@pytest.mark.parametrize(("core", "least", "most"), [
    ("cortex-a53", 16, 17), ("cortex-a55", 16, 17), ("cortex-a72", 16, 17), ("neoverse-n1", 8, 9),
    ("neoverse-v1", 4, 5.5),
])  # fmt: skip
def test_sixteen_independent_fmla_take_what_the_cores_guide_says(
    llvm: None, core: str, least: float, most: float
) -> None:
    assert least <= cycles_of(core, *FMLA) <= most


def test_a_chain_of_fmla_takes_longer_than_independent_ones(llvm: None) -> None:
    assert cycles_of("neoverse-n1", *[FMLA[0]] * 16) > 2 * cycles_of("neoverse-n1", *FMLA)


def test_branches_and_addresses_do_not_disturb(llvm: None) -> None:
    assert cycles_of("cortex-a72", *FMLA, ADRP, BRANCH) == cycles_of("cortex-a72", *FMLA)
    assert cycles_of("cortex-a72", BRANCH) == 1


def test_a_block_that_a_core_can_not_run_spoils_no_other(llvm: None) -> None:
    blocks = [BasicBlock(0, 1, tuple(FMLA)), BasicBlock(64, 1, (SVE,)), BasicBlock(128, 1, (SUBS,))]
    first, sve, last = block_cycles(blocks, "cortex-a72")
    assert (first, last) == (cycles_of("cortex-a72", *FMLA), cycles_of("cortex-a72", SUBS))
    assert sve is None
    assert None not in block_cycles(blocks, "neoverse-v1")

"""Hot loops: hottest first, with their text, the share that multiplies, and the fewest instructions that would do."""

from __future__ import annotations

import pytest

from rdpass.profiling.emulation.blocks import BasicBlock
from rdpass.profiling.emulation.hot_loops import HOT, hot_loops

from .words import BRANCH, FMLA, SUBS, assemble

LOOP = BasicBlock(0x1000, 1000, (*FMLA[:6], SUBS, BRANCH))
COLD = BasicBlock(0x2000, 1, (SUBS, BRANCH))


def test_what_runs_hardly_is_left_out_and_the_hottest_comes_first(llvm: None) -> None:
    warm = BasicBlock(0x3000, 400, (FMLA[0], SUBS, BRANCH))
    found = hot_loops([COLD, warm, LOOP])
    assert [loop.address for loop in found] == [LOOP.address, warm.address]
    total = 8 * 1000 + 3 * 400 + 2
    assert [loop.share for loop in found] == [pytest.approx(8000 / total), pytest.approx(1200 / total)]
    assert found[1].share >= HOT
    assert hot_loops([COLD, warm, LOOP], threshold=0.5) == found[:1]


def test_the_share_that_multiplies_is_of_all_instructions_and_its_bound_of_what_is_needed(llvm: None) -> None:
    (loop,) = hot_loops([LOOP, COLD])
    assert (loop.runs, loop.instructions, loop.fmla, loop.fewest) == (1000, 8, 6, 6)
    assert (loop.fmla_share, loop.fmla_bound) == (6 / 8, 1.0)
    assert [line.split()[0] for line in loop.assembly] == ["fmla"] * 6 + ["subs", "b.ne"]


def test_two_vectors_are_loaded_or_stored_by_one_instruction_at_best(llvm: None) -> None:
    lines = ["ldr q0, [x1]", "ldr q1, [x1, #16]", "ldr q2, [x1, #32]", "stp q3, q4, [x2]", "add x1, x1, #48"]
    words = (*(assemble(line) for line in lines), FMLA[0], BRANCH)
    (loop,) = hot_loops([BasicBlock(0, 10, words)])
    assert loop.fewest == 1 + 2 + 1  # a product, three loads in two, two stores in one
    assert loop.fmla_bound == 1 / 4


def test_a_word_that_is_no_instruction_is_shown_as_it_is(llvm: None) -> None:
    (loop,) = hot_loops([BasicBlock(0, 1, (0xFFFFFFFF, BRANCH))])
    assert loop.assembly[0] == ".inst 0xffffffff"
    assert loop.fmla_bound == 0


def test_of_nothing_there_is_no_loop(llvm: None) -> None:
    assert hot_loops([]) == ()

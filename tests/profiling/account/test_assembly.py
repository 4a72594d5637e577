"""Blocks of loops that are written as assembly, against the products that each loop is to do."""

from __future__ import annotations

import pytest

from rdpass.kernels.builder.interleaved_sdot import Loop, Tap, sdot_function
from rdpass.profiling.account.assembly import assembly_blocks
from rdpass.profiling.account.core_times import IN_ORDER
from rdpass.profiling.emulation.in_order import in_order_cycles

PIXELS, GROUPS = 4, 16


def blocks(count: int, starts: bool = False):
    taps = (Tap((0, 16, 32, 48), 0), Tap((64, 80, 96, 112), 256))
    return assembly_blocks(sdot_function(Loop(taps, count, 16, 512), starts)[1])


@pytest.mark.parametrize("starts", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 70_000])
def test_products_are_those_of_every_turn_however_many_there_are(count: int, starts: bool) -> None:
    found = blocks(count, starts)
    assert sum(block.products * runs for block, runs in found.items()) == count * 2 * GROUPS * PIXELS


def test_sums_that_start_of_biases_are_loaded_once_and_copied() -> None:
    def extra(name: str) -> float:
        with_start, without = (sum(getattr(block, name) * runs for block, runs in blocks(9, starts).items())
                               for starts in (True, False))  # fmt: skip
        return with_start - without

    assert (extra("loads"), extra("integers")) == (4, 4 * (PIXELS - 1))


def test_every_companion_of_a_turn_has_a_product_to_start_beside() -> None:
    (turn, _), *_ = blocks(70_000).most_common(1)
    assert 0 < turn.companions <= turn.products


def test_text_without_assembly_has_no_blocks() -> None:
    assert assembly_blocks("define i32 @f(ptr %x) {\n  ret i32 0\n}\n") == {}


def test_a_turn_takes_on_a_cortex_a55_what_its_guide_says_and_the_share_that_every_loop_loses() -> None:
    (turn, _), *_ = blocks(70_000).most_common(1)
    pairs = ["sdot v0.4s, v8.16b, v9.4b[0]", "ldr d10, [x0]"] * turn.products
    assert IN_ORDER.cycles(turn) == pytest.approx(IN_ORDER.vector * in_order_cycles(pairs))

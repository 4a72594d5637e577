"""Cycles of a Cortex-A55 by the rules of its guide: what starts beside what, and what waits."""

import pytest

from rdpass.profiling.emulation.in_order import in_order_cycles

EIGHT = [f"sdot v{sums}.4s, v20.16b, v21.4b[0]" for sums in range(8)]


def beside(*companions):
    """Cycles of eight SDOT, each with the next of ``companions`` behind it."""
    return in_order_cycles([line for n, sdot in enumerate(EIGHT) for line in (sdot, companions[n % len(companions)])])


@pytest.mark.parametrize("companion", [
    "ldr d30, [x0]", "ldr x5, [x0, #8]", "ldur d30, [x0, #-8]", "ldr d30, [x0], #8", "add x7, x7, #1", "str q29, [x1]",
    "subs x7, x7, #1", "csel x6, x7, x8, eq", "prfm pldl1keep, [x0]", "stp d28, d29, [x1]",
])  # fmt: skip
def test_what_starts_beside_an_sdot_takes_no_time(companion):
    assert beside(companion) == 8


def test_a_vector_of_weights_starts_beside_three_sdot():
    assert beside("ldr d28, [x0]", "ldr x5, [x0, #8]", "mov v29.d[1], x6") == 8


@pytest.mark.parametrize(("companion", "cycles"), [
    ("ldr q30, [x0]", 2), ("ldp q28, q29, [x0]", 4), ("ldp d28, d29, [x0]", 2), ("ldp x5, x6, [x0]", 2),
    ("ld1 { v30.16b }, [x0]", 2), ("ld1r { v30.4s }, [x0]", 1), ("ld1 { v24.16b, v25.16b, v26.16b, v27.16b }, [x0]", 8),
    ("fmul v30.4s, v29.4s, v28.4s", 1), ("stp q28, q29, [x1]", 2), ("st1 { v28.16b }, [x1]", 0),
    ("tbl v30.16b, { v24.16b, v25.16b }, v29.16b", 2),
])  # fmt: skip
def test_what_starts_alone_takes_its_cycles_besides(companion, cycles):
    assert beside(companion) == 8 + 8 * cycles


def test_two_loads_never_start_at_once_and_arithmetic_on_integers_does():
    assert in_order_cycles(["ldr x1, [x0]", "ldr x2, [x0]"] * 4) == 8
    assert in_order_cycles(["ldr x1, [x0]", "str x2, [x3]"] * 4) == 4
    assert in_order_cycles(["add x1, x2, #1", "add x3, x4, #1"] * 4) == 4


@pytest.mark.parametrize(("chain", "cycles"), [
    ("sdot v0.4s, v1.16b, v2.4b[0]", 1), ("mla v0.4s, v1.4s, v2.4s", 1), ("smlal v0.4s, v1.4h, v2.4h", 1),
    ("fmla v0.4s, v1.4s, v2.4s", 4), ("fadd v0.4s, v0.4s, v1.4s", 4), ("add v0.4s, v0.4s, v1.4s", 2),
    ("and v0.16b, v0.16b, v1.16b", 1), ("add x0, x0, x1", 1), ("add x0, x1, x0, lsl #3", 2),
    ("madd w0, w1, w2, w0", 3),
    ("sadalp v0.4s, v1.8h", 4), ("sqxtn2 v0.16b, v1.8h", 4), ("ldr x0, [x0]", 3),
    ("fdiv v0.4s, v1.4s, v2.4s", 10), ("fsqrt s0, s0", 12),
    ("sdiv w0, w0, w1", 12), ("mov v0.d[1], x1", 2), ("fcvtns v0.4s, v0.4s", 4),
])  # fmt: skip
def test_a_result_is_waited_for_as_long_as_the_guide_says(chain, cycles):
    assert in_order_cycles([chain] * 6) == 6 * cycles


def test_an_upper_half_goes_by_an_integer_register_to_its_sdot():
    assert in_order_cycles(["ldr x1, [x0]", "mov v0.d[1], x1", "sdot v4.4s, v0.16b, v1.4b[0]", "mov x0, x2"]) == 6


def test_a_store_waits_for_its_address_and_its_data_follow():
    assert in_order_cycles(["fadd v0.4s, v1.4s, v2.4s", "str q0, [x1]"]) == 4
    assert in_order_cycles(["ldr x1, [x2]", "str q0, [x1]"]) == 3


def test_flags_are_there_at_once():
    assert in_order_cycles(["subs x0, x0, #1", "b.ne #-4"]) == 1


def test_nothing_takes_no_cycles_and_a_block_that_never_settles_is_averaged():
    assert in_order_cycles([]) == 0
    assert 1.5 <= in_order_cycles(["add x1, x2, #1", "add x3, x4, #1", "ldr x5, [x6]"]) <= 2

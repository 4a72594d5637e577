"""Pools of bytes: largest bytes and exact means, whatever of a window lies in the map."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.templates.integer_pooling import INTEGER_POOLING, IntegerPoolingTile, counts_of
from rdpass.kernels.workload import Pooling
from rdpass.targets.isa import ASIMD, isa_of
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM
from tests.kernels.integers import ISAS, bytes_of, each_core, each_isa, emulated
from tests.kernels.strategies import axes
from tests.kernels.tester import check

POOL = Pooling(2, 20, 9, 11, "max", (3, 3), (2, 2), (1, 1, 1, 1))


def some_cases(isa):
    pool, tile = replace(POOL, types=bytes_of(isa)), IntegerPoolingTile
    average = replace(pool, kind="average")
    yield case_of(pool, tile(4), isa, 2)
    yield case_of(replace(pool, kernel=(5, 2), stride=(1, 3), padding=(4, 1, 4, 0)), tile(3), isa)
    yield case_of(average, tile(4), isa, 2)
    yield case_of(replace(average, divisor=9, stride=(1, 1)), tile(3), isa)
    large = {"height": 15, "width": 14, "kernel": (13, 14), "padding": (0, 0, 0, 0), "stride": (1, 1)}
    yield case_of(replace(average, **large), tile(1), isa)
    yield case_of(replace(average, types=replace(average.types, output=FLOAT32)), tile(2), isa)


@each_isa
def test_every_byte_is_right_on_this_machine(isa):
    for case in some_cases(isa):
        check(case, 1e-6)


@each_core
def test_every_byte_is_right_on_an_emulated_core(name, tmp_path):
    target = emulated(name)
    check_emulated([*some_cases(isa_of(target))], target, tmp_path, 1e-6)


@st.composite
def random_cases(draw):
    isa = draw(st.sampled_from(ISAS))
    (height, kh, sh, top, bottom, _), (width, kw, sw, left, right, _) = (
        draw(axes((1, 2, 3, 5), (1, 2, 3))) for _ in range(2)
    )
    work = Pooling(
        draw(st.integers(1, 2)), draw(st.integers(1, 40)), height, width, draw(st.sampled_from(["max", "average"])),
        (kh, kw), (sh, sw), (top, left, bottom, right), draw(st.sampled_from([0, kh * kw])), bytes_of(isa),
    )  # fmt: skip
    tile = IntegerPoolingTile(draw(st.integers(1, 6)))
    return case_of(work, tile, isa, draw(st.sampled_from([1, 2])), draw(st.integers(0, 99)))


@settings(max_examples=25)
@given(random_cases())
def test_random_shapes_are_exact(case):
    check(case, 0)


def test_there_is_a_factor_for_every_number_of_taps_or_one():
    assert [*counts_of(replace(POOL, kind="average", kernel=(2, 2)))] == [1, 2, 3, 4]
    assert [*counts_of(replace(POOL, kind="average", divisor=7))] == [7]


def test_what_makes_no_sense_is_refused():
    pool = replace(POOL, types=bytes_of(ASIMD))
    assert INTEGER_POOLING.refusal(pool, ARM) is None
    assert "outside the map" in INTEGER_POOLING.refusal(replace(pool, padding=(3, 1, 1, 1)), ARM)
    floats = replace(pool, types=replace(pool.types, output=FLOAT32))
    assert "is a byte" in INTEGER_POOLING.refusal(floats, ARM)
    assert INTEGER_POOLING.refusal(replace(floats, kind="average"), ARM) is None


def test_tiles_are_no_wider_than_a_row():
    pool = replace(POOL, width=5, types=bytes_of(ASIMD))
    assert {tile.pixels for tile in INTEGER_POOLING.tiles(pool, ARM)} == {1, 2, 3}
    assert INTEGER_POOLING.default(pool, ARM) == IntegerPoolingTile(3)

"""Maps of bytes at other extents: exact sums of whole weights, near torch's; the nearest byte is torch's."""

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.quantization import Bounds, Requantization
from rdpass.kernels.templates.integer_resizing import INTEGER_RESIZING, IntegerResizingTile, parts_of
from rdpass.kernels.workload import Places, Resizing
from rdpass.targets.isa import ASIMD, isa_of
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM
from tests.kernels.integers import ISAS, bytes_of, each_core, each_isa, emulated
from tests.kernels.numbers import inputs_of, written
from tests.kernels.strategies import extents, places
from tests.kernels.tester import check

TWICE = Resizing(2, 20, 5, 4, 10, 8, "linear", Places(10, -5, 20), Places(8, -4, 16))


def some_cases(isa):
    work, tile = replace(TWICE, types=bytes_of(isa)), IntegerResizingTile
    yield case_of(work, tile(2), isa, 2)
    odd = replace(work, out_height=13, out_width=11, down=Places(10, -8, 26), across=Places(8, -7, 22))
    yield case_of(odd, tile(2), isa)
    yield case_of(replace(work, out_width=11, across=Places(3, 0, 10)), tile(1), isa, 2)
    yield case_of(replace(work, types=replace(work.types, output=FLOAT32)), tile(1), isa)
    yield case_of(replace(work, kind="nearest", down=Places(5, 0, 10), across=Places(4, 0, 8)), tile(2), isa, 2)
    yield case_of(replace(odd, kind="nearest"), tile(4), isa)


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
    isa, (height, out_height), (width, out_width) = draw(st.sampled_from(ISAS)), draw(extents()), draw(extents())
    work = Resizing(
        draw(st.integers(1, 2)), draw(st.integers(1, 40)), height, width, out_height, out_width,
        draw(st.sampled_from(["nearest", "linear"])), draw(places(height, out_height)), draw(places(width, out_width)),
        bytes_of(isa),
    )  # fmt: skip
    tile = IntegerResizingTile(draw(st.integers(1, 5)))
    return case_of(work, tile, isa, draw(st.sampled_from([1, 2])), draw(st.integers(0, 99)))


@settings(max_examples=25)
@given(random_cases())
def test_random_shapes_are_exact(case):
    check(case, 0)


def test_the_oracle_is_torchs_interpolation_up_to_rounding():
    work = replace(TWICE, types=bytes_of(ASIMD))
    by = Requantization(-7, np.array([0.5]), Bounds(3, -128, 127))
    (x,) = inputs_of(work, written(work))
    floats = torch.from_numpy(x).double() + 7
    expected = torch.nn.functional.interpolate(floats, scale_factor=2, mode="bilinear").numpy() * 0.5 + 3
    found = INTEGER_RESIZING.oracle(work, (by,), [x])
    assert np.abs(found - np.clip(expected, -128, 127)).max() <= 0.5 + 1e-5


def test_the_nearest_byte_is_torchs():
    work = replace(TWICE, kind="nearest", down=Places(5, 0, 10), across=Places(4, 0, 8), types=bytes_of(ASIMD))
    (x,) = inputs_of(work, written(work))
    expected = torch.nn.functional.interpolate(torch.from_numpy(x).double(), scale_factor=2, mode="nearest")
    assert np.array_equal(INTEGER_RESIZING.oracle(work, (), [x]), expected.numpy())


def test_parts_are_counted_by_the_smallest_numbers():
    assert Places(10, -5, 20).reduced == Places(2, -1, 4)
    assert parts_of(TWICE) == 16


def test_what_makes_no_sense_or_would_overflow_is_refused():
    work = replace(TWICE, types=bytes_of(ASIMD))
    assert INTEGER_RESIZING.refusal(work, ARM) is None
    large = replace(work, down=Places(10, -5, 10007), across=Places(8, -4, 10009))
    assert "no int32" in INTEGER_RESIZING.refusal(large, ARM)
    nearest = replace(work, kind="nearest", types=replace(work.types, output=FLOAT32))
    assert "is a byte" in INTEGER_RESIZING.refusal(nearest, ARM)

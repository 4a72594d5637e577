"""Sums and products of two maps of bytes: every byte is exact, in place, bounded or left as float32."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.choice import build_kernels
from rdpass.kernels.templates.integer_elementwise import INTEGER_ELEMENTWISE, IntegerElementwiseTile
from rdpass.kernels.workload import Elementwise, Epilogue
from rdpass.targets.isa import ASIMD, isa_of
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM
from tests.kernels.integers import ISAS, bytes_of, each_core, each_isa, emulated
from tests.kernels.numbers import constants_of
from tests.kernels.tester import check

SUM = Epilogue("none", add=True, late=True)


def some_cases(isa):
    added = Elementwise(2, 20, 21, SUM, types=bytes_of(isa))
    gated = replace(added, epilogue=Epilogue(), scale="gate")
    yield case_of(added, IntegerElementwiseTile(4), isa, 2)
    yield case_of(
        replace(added, epilogue=replace(SUM, activation="clip", in_place=True)), IntegerElementwiseTile(2), isa
    )
    yield case_of(gated, IntegerElementwiseTile(4), isa, 2)
    yield case_of(replace(gated, scale="map", epilogue=Epilogue("clip")), IntegerElementwiseTile(3), isa)
    yield case_of(replace(gated, types=replace(gated.types, output=FLOAT32)), IntegerElementwiseTile(3), isa)


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
    isa, scale = draw(st.sampled_from(ISAS)), draw(st.sampled_from(["none", "gate", "map"]))
    added = scale == "none"
    activation, in_place = draw(st.sampled_from(["none", "clip"])), added and draw(st.booleans())
    epilogue = Epilogue(activation, add=added, in_place=in_place, late=added)
    sizes = (draw(st.integers(1, most)) for most in (2, 40, 50))
    tile = IntegerElementwiseTile(draw(st.integers(1, 5)))
    work = Elementwise(*sizes, epilogue, scale, bytes_of(isa))
    return case_of(work, tile, isa, draw(st.sampled_from([1, 2])), draw(st.integers(0, 99)))


@settings(max_examples=25)
@given(random_cases())
def test_random_shapes_are_exact(case):
    check(case, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"epilogue": Epilogue()}, "added or multiplied"),
        ({"scale": "gate"}, "added or multiplied"),
        ({"epilogue": replace(SUM, activation="silu")}, "table"),
    ],
    ids=str,
)
def test_what_others_compute_is_refused(change, reason):
    work = Elementwise(2, 20, 21, SUM, types=bytes_of(ASIMD))
    assert INTEGER_ELEMENTWISE.refusal(work, ARM) is None
    assert reason in INTEGER_ELEMENTWISE.refusal(replace(work, **change), ARM)
    assert "is bytes" in INTEGER_ELEMENTWISE.refusal(replace(work, types=replace(work.types, output=FLOAT32)), ARM)


def test_the_name_says_what_it_does():
    work = Elementwise(1, 20, 21, Epilogue("clip"), "gate", bytes_of(ASIMD))
    (kernel,) = build_kernels(work, constants_of(work), IntegerElementwiseTile(), ARM)
    assert kernel.name.startswith("s8_gate_product_clip_20x21_asimd_")

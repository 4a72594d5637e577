"""Means and dense layers of bytes: exact sums however many pixels, classes that fill no block, flattened maps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.templates.integer_head import INTEGER_HEAD, IntegerHeadTile
from rdpass.kernels.workload import Head
from rdpass.targets.isa import ASIMD, isa_of
from tests.kernels import cases
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM
from tests.kernels.integers import ISAS, bytes_of, each_core, each_isa, emulated
from tests.kernels.tester import check


def some_cases(isa):
    mean, layer = (Head(2, 20, pixels, classes, types=bytes_of(isa)) for pixels, classes in ((49, 0), (1, 37)))
    yield case_of(mean, IntegerHeadTile(1, 1, 4), isa, 2)
    yield case_of(replace(mean, pixels=300), IntegerHeadTile(1, 1, 8), isa)
    yield case_of(replace(mean, pixels=3, types=replace(mean.types, output=FLOAT32)), IntegerHeadTile(), isa)
    yield case_of(layer, IntegerHeadTile(2, 1), isa, 2)
    yield case_of(replace(layer, classes=32, types=replace(layer.types, output=FLOAT32)), IntegerHeadTile(), isa)
    yield case_of(replace(layer, batch=3, pixels=6, averages=False), IntegerHeadTile(2, 1), isa, 2)


@each_isa
def test_every_byte_is_right_on_this_machine(isa):
    for case in some_cases(isa):
        check(case, 1e-6)


@each_core
def test_every_byte_is_right_on_an_emulated_core(name, tmp_path):
    target = emulated(name)
    check_emulated([*some_cases(isa_of(target))], target, tmp_path, 1e-6)


@each_isa
@pytest.mark.parametrize("end", [0, -1])
def test_sums_of_the_largest_bytes_do_not_overflow(isa, end, monkeypatch):
    work = Head(1, 16, 1000, 0, types=bytes_of(isa))
    extreme = {"int8": (-128, 127), "uint8": (0, 255)}[isa.byte.value][end]
    monkeypatch.setattr(cases, "inputs_of", lambda *_: [np.full((1, 16, 1000, 1), extreme, isa.byte.value)])
    check(case_of(work, IntegerHeadTile(sums=2), isa), 0)


@st.composite
def random_cases(draw):
    isa, classes = draw(st.sampled_from(ISAS)), draw(st.integers(0, 70))
    averages = not classes or draw(st.booleans())
    pixels = draw(st.integers(1, 300)) if not classes else 1 if averages else draw(st.integers(1, 9))
    work = Head(draw(st.integers(1, 5)), draw(st.integers(1, 40)), pixels, classes, averages, bytes_of(isa))
    tile = IntegerHeadTile(draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 8)))
    return case_of(work, tile, isa, draw(st.sampled_from([1, 2])), draw(st.integers(0, 99)))


@settings(max_examples=25)
@given(random_cases())
def test_random_shapes_are_exact(case):
    check(case, 0)


def test_a_mean_and_a_layer_at_once_are_refused():
    work = Head(1, 20, 49, 10, types=bytes_of(ASIMD))
    assert "two kernels" in INTEGER_HEAD.refusal(work, ARM)
    assert INTEGER_HEAD.refusal(replace(work, averages=False), ARM) is None
    assert INTEGER_HEAD.refusal(replace(work, classes=0), ARM) is None


def test_the_default_has_as_many_sums_as_there_is_work_for():
    work = Head(1, 1280, 1, 1000, types=bytes_of(ASIMD))
    assert INTEGER_HEAD.default(work, ARM).images == 1
    assert INTEGER_HEAD.default(replace(work, batch=4), ARM).images == 4

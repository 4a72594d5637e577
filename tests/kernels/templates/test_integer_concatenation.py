"""Bytes behind one another: whatever channel a part begins at, whoever shares the work, copied or through a table."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.choice import build_kernels
from rdpass.kernels.templates.integer_concatenation import INTEGER_CONCATENATION, IntegerConcatenationTile
from rdpass.kernels.workload.concatenation import Concatenation
from rdpass.targets.isa import ASIMD, isa_of
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM
from tests.kernels.integers import ISAS, bytes_of, each_core, each_isa, emulated
from tests.kernels.numbers import constants_of
from tests.kernels.tester import check


def some_cases(isa):
    tile, types = IntegerConcatenationTile, bytes_of(isa)
    yield case_of(Concatenation(2, (16, 32), 21, (False, True), types), tile(4), isa, 2)
    yield case_of(Concatenation(2, (20, 37, 3, 1), 7, (True, False, False, True), types), tile(4), isa, 3)
    yield case_of(Concatenation(1, (8, 8, 24), 5, (False, False, False), types), tile(2), isa)


@each_isa
def test_every_byte_is_right_on_this_machine(isa):
    for case in some_cases(isa):
        check(case, 0)


@each_core
def test_every_byte_is_right_on_an_emulated_core(name, tmp_path):
    target = emulated(name)
    check_emulated([*some_cases(isa_of(target))], target, tmp_path, 0)


@st.composite
def random_cases(draw):
    isa, count = draw(st.sampled_from(ISAS)), draw(st.integers(1, 4))
    parts = tuple(draw(st.integers(1, 40)) for _ in range(count))
    rescaled = tuple(draw(st.booleans()) for _ in range(count))
    work = Concatenation(draw(st.integers(1, 2)), parts, draw(st.integers(1, 30)), rescaled, bytes_of(isa))
    tile = IntegerConcatenationTile(draw(st.integers(1, 5)))
    return case_of(work, tile, isa, draw(st.sampled_from([1, 2])), draw(st.integers(0, 99)))


@settings(max_examples=20)
@given(random_cases())
def test_random_shapes_are_exact(case):
    check(case, 0)


def test_the_oracle_puts_parts_behind_one_another():
    work = Concatenation(1, (1, 2), 2, (False, True))
    first, second = (np.array(values, np.int8).reshape(1, -1, 2, 1) for values in ([1, -1], [2, -2, 3, -3]))
    table = -np.arange(256).astype(np.uint8).view(np.int8)
    found = INTEGER_CONCATENATION.oracle(work, (table,), [first, second])
    assert found.ravel().tolist() == [1, -1, -2, 2, -3, 3]


def test_its_name_and_types():
    work = Concatenation(1, (20, 16), 21, (True, False), bytes_of(ASIMD))
    (kernel,) = build_kernels(work, constants_of(work), IntegerConcatenationTile(), ARM)
    assert kernel.name.startswith("s8_concatenation_20_16x21_asimd_")
    assert len(kernel.constants) == 1
    assert "s8" in INTEGER_CONCATENATION.refusal(replace(work, types=replace(work.types, output=FLOAT32)), ARM)

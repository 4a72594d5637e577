"""Tables: every one of 256 numbers finds its entry, by registers and by loads."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.choice import build_kernels
from rdpass.kernels.templates.lookup import LOOKUP, LookupTile
from rdpass.kernels.workload.lookup import Lookup
from rdpass.passes.tir.pipeline import NAME
from rdpass.targets.isa import ASIMD, isa_of
from rdpass.targets.lookup import find_target
from tests.kernels import cases
from tests.kernels.assembly import assembly_of, loops
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM
from tests.kernels.integers import ISAS, bytes_of, each_core, each_isa, emulated
from tests.kernels.numbers import constants_of
from tests.kernels.tester import check


def some_cases(isa):
    yield case_of(Lookup(2, 20, 21, bytes_of(isa)), LookupTile(4), isa, 2)
    yield case_of(Lookup(1, 16, 3, bytes_of(isa)), LookupTile(1), isa)


@each_isa
def test_every_byte_is_right_on_this_machine(isa):
    for case in some_cases(isa):
        check(case, 0)


def every_number(*_):
    return [np.arange(256, dtype=np.uint8).view(np.int8).reshape(1, 16, 16, 1)]


@each_core
def test_every_number_is_right_on_an_emulated_core(name, tmp_path, monkeypatch):
    target = emulated(name)
    several = [*some_cases(isa_of(target))]
    monkeypatch.setattr(cases, "inputs_of", every_number)
    check_emulated([*several, case_of(Lookup(1, 16, 16, bytes_of(ASIMD)), LookupTile(4), ASIMD)], target, tmp_path, 0)


@settings(max_examples=15)
@given(st.data())
def test_random_shapes_are_exact(data):
    isa = data.draw(st.sampled_from(ISAS))
    sizes = (data.draw(st.integers(1, most)) for most in (2, 40, 50))
    tile = LookupTile(data.draw(st.integers(1, 6)))
    check(case_of(Lookup(*sizes, bytes_of(isa)), tile, isa, data.draw(st.sampled_from([1, 2]))), 0)


def test_the_oracle_reads_bits_as_unsigned_numbers():
    work = Lookup(1, 1, 3, bytes_of(ASIMD))
    table = np.arange(256).astype(np.uint8).view(np.int8)
    x = np.array([-1, 0, -128], np.int8).reshape(1, 1, 3, 1)
    assert np.array_equal(LOOKUP.oracle(work, (table,), [x]), x)
    assert [*LOOKUP.oracle(work, (table[::-1],), [x]).ravel()] == [0, -1, 127]


def test_the_table_stays_in_registers_on_arm():
    machine = replace(ARM, threads=1)
    work = Lookup(1, 64, 784, bytes_of(ASIMD))
    (kernel,) = build_kernels(work, constants_of(work), LookupTile(4), machine)
    assembly = assembly_of(kernel.function.with_attr("tirx.noalias", True), find_target("rpi4"), NAME)
    hot = max(loops(assembly), key=lambda block: len(block.instructions))
    words = [line.split()[0] for line in hot.instructions]
    assert words.count("tbl") == 4
    assert words.count("tbx") == 12
    assert len(words) <= 4 * 9 + 4  # a load, three subtractions, four looks, a store; the loop
    assert kernel.name.startswith("s8_lookup_64x784_asimd_")


def test_floats_are_refused():
    work = Lookup(1, 20, 3, bytes_of(ASIMD))
    assert LOOKUP.refusal(work, ARM) is None
    assert "s8" in LOOKUP.refusal(replace(work, types=replace(work.types, output=FLOAT32)), ARM)

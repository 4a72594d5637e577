"""Stems of bytes: exact by every way to multiply, of images of floats and of bytes, with a pool and without."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.core.numeric_types import FLOAT16, FLOAT32, INT8, UINT8
from rdpass.kernels.builder.function import WORKSPACE
from rdpass.kernels.choice import build_kernels, choose_default
from rdpass.kernels.machine import machine_of
from rdpass.kernels.templates.quantized_stem import QUANTIZED_STEM, QuantizedStemTile
from rdpass.kernels.workload import Convolution, Epilogue, Pooling, QuantizedStem
from rdpass.targets.isa import ASIMD, SSE, isa_of
from rdpass.targets.lookup import find_target
from tests.kernels import cases
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import ARM, retyped
from tests.kernels.integers import ISAS, bytes_of, each_core, each_isa, emulated
from tests.kernels.numbers import constants_of
from tests.kernels.strategies import axes, convolutions, max_pools
from tests.kernels.tester import check

CONV = Convolution(1, 3, 20, 19, 27, (7, 7), (2, 2), (3, 3, 3, 3), epilogue=Epilogue("clip"))
POOL = Pooling(1, 20, 10, 14, "max", (3, 3), (2, 2), (1, 1, 1, 1))
POOLED = QuantizedStem(CONV, POOL)


def some_cases(isa):
    stem, tile = retyped(POOLED, bytes_of(isa)), QuantizedStemTile
    yield case_of(stem, tile(3, 1, 8, 2), isa, 2)
    yield case_of(replace(stem, source=UINT8), tile(4, 1, 5), isa)
    alone = replace(stem, pooling=None)
    yield case_of(replace(alone, source=INT8), tile(2, 1, 4, 3), isa, 2)
    conv = replace(stem.convolution, batch=2, kernel=(3, 3), dilation=(1, 2))
    yield case_of(QuantizedStem(replace(conv, channels=4, epilogue=Epilogue("clip", add=True, late=True))), tile(), isa)
    yield case_of(QuantizedStem(replace(conv, channels=1, stride=(1, 1), width=9)), tile(3), isa)
    yield case_of(QuantizedStem(replace(conv, types=replace(conv.types, output=FLOAT32))), tile(3), isa)


@each_isa
def test_every_byte_is_right_on_this_machine(isa):
    for case in some_cases(isa):
        check(case, 1e-6)


@each_core
def test_every_byte_is_right_on_an_emulated_core(name, tmp_path, monkeypatch):
    target = emulated(name)
    isa = isa_of(target)
    check_emulated([*some_cases(isa), hostile(isa, monkeypatch)], target, tmp_path, 1e-6)


def hostile(isa, monkeypatch):
    """An image of ties, infinities, NaN and numbers far outside, the scale being that of the constants."""
    stem = retyped(POOLED, bytes_of(isa))
    special = np.array([0.01, 0.03, -0.05, np.inf, -np.inf, np.nan, 1e30, -1e30, 3e9, 1e-40], np.float32)
    image = np.resize(np.concatenate([special, np.linspace(-3, 3, 61, dtype=np.float32)]), (1, 3, 19, 27))
    monkeypatch.setattr(cases, "inputs_of", lambda *_: [image])
    return case_of(stem, QuantizedStemTile(3, 1, 8), isa)


@each_isa
def test_an_image_of_ties_and_of_what_is_no_number_is_quantised_as_defined(isa, monkeypatch):
    check(hostile(isa, monkeypatch), 0)


@st.composite
def random_cases(draw):
    isa, axis = draw(st.sampled_from(ISAS)), axes((1, 3, 4, 7), (1, 2, 3), (1, 1, 2), 25)
    conv = draw(convolutions(st.integers(1, 4), st.integers(1, 40), axis, axis, add=False))
    conv = replace(conv, epilogue=Epilogue(draw(st.sampled_from(["none", "clip"]))))
    stem = QuantizedStem(conv, draw(st.none() | max_pools(conv)), draw(st.sampled_from([FLOAT32, UINT8, INT8])))
    tile = QuantizedStemTile(*(draw(st.integers(1, most)) for most in (6, 2, 30, 4, 5)))
    return case_of(retyped(stem, bytes_of(isa)), tile, isa, draw(st.sampled_from([1, 2])), draw(st.integers(0, 99)))


@settings(max_examples=25)
@given(random_cases())
def test_random_shapes_are_exact(case):
    check(case, 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source": FLOAT16}, "an image of float16"),
        ({"convolution": replace(CONV, channels=5)}, "more than 4 channels"),
        ({"pooling": replace(POOL, kind="average")}, "no max pool"),
        ({"convolution": replace(CONV, epilogue=Epilogue(add=True, late=True))}, "of a sum of maps"),
    ],
    ids=str,
)
def test_what_is_no_such_stem_is_refused(change, reason):
    assert reason in QUANTIZED_STEM.refusal(retyped(replace(POOLED, **change), bytes_of(ASIMD)), ARM)


def test_a_pool_of_other_numbers_is_refused():
    stem = retyped(POOLED, bytes_of(ASIMD))
    assert "other numbers" in QUANTIZED_STEM.refusal(replace(stem, pooling=POOL), ARM)
    assert QUANTIZED_STEM.refusal(stem, ARM) is None


@each_core
def test_neither_the_image_nor_the_map_before_the_pool_exists_as_a_whole(name):
    machine = replace(machine_of(find_target(name)), threads=1)
    conv = Convolution(1, 3, 64, 224, 224, (7, 7), (2, 2), (3, 3, 3, 3))
    work = QuantizedStem(conv, Pooling(1, 64, 112, 112, "max", (3, 3), (2, 2), (1, 1, 1, 1)))
    work = retyped(work, bytes_of(machine.isa))
    (kernel,) = build_kernels(work, constants_of(work), choose_default(work, machine), machine)
    word = "" if name == "rpi4" else "_short"
    assert kernel.name.startswith(f"s8_quantized_stem{word}_pool3x3_k7x7_s2_3_64_224x224")
    assert kernel.constants[0].nbytes == 64 * 160
    assert int(kernel.function.attrs[WORKSPACE]) < 64 << 10


def test_bytes_of_an_image_need_no_scale():
    work = retyped(replace(POOLED, source=UINT8), bytes_of(SSE))
    (kernel,) = build_kernels(work, constants_of(work), QuantizedStemTile(2), cases.machine_with(SSE))
    assert len(kernel.constants) == 4

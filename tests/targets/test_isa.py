"""What a target's features give its instruction set."""

import pytest

from rdpass.core.numeric_types import ALL_FLOAT32, FLOAT16, FLOAT32, INT8, INT32, NumericTypes
from rdpass.profiling.emulation.boards import find_board
from rdpass.targets.features import Feature
from rdpass.targets.isa import ASIMD, AVX2, AVX512, SSE, SVE, isa_of
from rdpass.targets.lookup import PRESETS, find_target, host_target

HALF = NumericTypes(FLOAT16, FLOAT16, FLOAT16, FLOAT16)
SMALL = NumericTypes(INT8, INT8, INT32, INT8)


@pytest.mark.parametrize("target", [*PRESETS, host_target()], ids=lambda target: target.name)
def test_every_target_multiplies_float32_without_any_feature_besides(target):
    isa = isa_of(target)
    assert isa.features(ALL_FLOAT32) == (isa.name,)
    assert isa.block(FLOAT32) == isa.lanes(FLOAT32) == isa.vector_bytes // 4


@pytest.mark.parametrize(
    ("name", "instruction", "features", "block"),
    [
        ("rpi4", "SMULL + SMLAL2 + SADALP", ("asimd",), 16),
        ("rpi5", "SDOT", ("asimd", "asimddp"), 16),
        ("graviton3", "SMMLA", ("asimd", "i8mm"), 16),
    ],
)
def test_bytes_are_multiplied_by_the_best_that_a_core_has(name, instruction, features, block):
    isa = isa_of(find_target(name))
    assert isa.multiply(SMALL).name == instruction
    assert isa.features(SMALL) == features
    assert isa.block(INT8) == block


def test_half_precision_needs_a_core_that_computes_it():
    assert not isa_of(find_target("rpi4")).computes(HALF)
    assert isa_of(find_target("rpi5")).features(HALF) == ("asimd", "asimdhp")
    assert isa_of(find_target("rpi5")).vector(FLOAT16).lanes == 8


def test_of_cores_that_multiply_bytes_at_once_one_starts_instructions_in_order():
    assert isa_of(find_board("cortex-a55")).in_order
    assert not any(isa_of(target).in_order for target in PRESETS)


def test_an_instruction_is_called_without_its_vectors():
    words = {m.name: m.instruction for isa in (SVE, ASIMD) for m in isa.multiplies}
    assert words["SDOT z.s"] == "SDOT"
    assert words["FMLA .4s"] == words["FMLA z.h"] == "FMLA"
    assert words["SMULL + SMLAL2 + SADALP"] == "SMULL + SMLAL2 + SADALP"


def test_vectors_are_called_as_tvm_calls_them():
    assert [str(isa.vector(FLOAT32)) for isa in (ASIMD, AVX2, AVX512, SSE)] == [
        "float32x4", "float32x8", "float32x16", "float32x4",
    ]  # fmt: skip


def test_the_instruction_set_of_a_core_without_features_is_the_plain_one():
    assert isa_of(find_target("rpi4")) == ASIMD


def test_scalable_vectors_are_in_the_table_with_the_narrowest_width_and_need_the_feature():
    assert SVE.scalable
    assert (SVE.vector_bytes, SVE.lanes(FLOAT32), SVE.lanes(FLOAT16)) == (16, 4, 8)
    assert not any(isa.scalable for isa in (ASIMD, AVX2, AVX512, SSE))
    for types, instruction in ((ALL_FLOAT32, "FMLA z.s"), (HALF, "FMLA z.h"), (SMALL, "SDOT z.s")):
        assert SVE.multiply(types).name == instruction
        assert SVE.features(types) == (Feature.SVE,)


@pytest.mark.parametrize("target", PRESETS, ids=lambda target: target.name)
def test_no_core_is_given_scalable_vectors_not_even_one_that_has_them(target):
    assert not isa_of(target).scalable

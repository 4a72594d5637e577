"""Names of kernels: their specification in words of C, and digits for what they do not say."""

from dataclasses import replace

import pytest

from rdpass.kernels.naming import convolution_name, kernel_name, shape_of
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.targets.isa import ASIMD, AVX2
from tests.kernels.examples import EXAMPLES

CONV = Convolution(1, 8, 6, 9, 7, (3, 3), (1, 1), (1, 1, 1, 1))


@pytest.mark.parametrize(
    ("conv", "shape"),
    [
        (CONV, "_k3x3_8_6_9x7"),
        (replace(CONV, stride=(2, 2)), "_k3x3_s2_8_6_9x7"),
        (replace(CONV, groups=2), "_k3x3_g2_8_6_9x7"),
        (replace(CONV, filters=8, groups=8), "_k3x3_8_8_9x7"),
        (replace(CONV, subpixel=(2, 3)), "_k3x3_to2x3_8_6_9x7"),
        (replace(CONV, kernel=(1, 1), padding=(0, 0, 0, 0)), "_8_6_9x7"),
        (replace(CONV, kernel=(1, 1), padding=(0, 0, 0, 0), stride=(2, 2)), "_s2_8_6_9x7"),
        (replace(CONV, kernel=(1, 1)), "_k1x1_8_6_9x7"),
    ],
)
def test_a_shape_says_what_is_not_usual(conv, shape):
    assert shape_of(conv) == shape


def test_a_name_says_type_operation_shape_tile_and_instruction_set():
    kind, name = "direct", convolution_name("direct", CONV, (6, 2), ASIMD)
    words, digits = name.rsplit("_", 1)
    assert words == f"f32_{kind}_k3x3_8_6_9x7_6x2_asimd"
    assert len(digits) == 6
    assert int(digits, 16) >= 0


def test_digits_tell_workloads_apart_that_words_do_not():
    others = (
        CONV, replace(CONV, padding=(1, 1, 0, 0)), replace(CONV, dilation=(2, 2)), replace(CONV, batch=2),
        replace(CONV, epilogue=Epilogue("relu")), replace(CONV, epilogue=Epilogue("clip", 0.0, 6.0)),
    )  # fmt: skip
    names = [convolution_name("direct", conv, (6, 2), ASIMD) for conv in others]
    assert len({name.rsplit("_", 1)[0] for name in names}) == 1
    assert len(set(names)) == len(others)
    assert convolution_name("direct", replace(CONV), (6, 2), ASIMD) == names[0]


@pytest.mark.parametrize("work", EXAMPLES, ids=lambda work: work.describe())
def test_every_name_is_a_word_of_c(work):
    for isa in (ASIMD, AVX2):
        name = kernel_name("kind", work, "_1x1", isa)
        assert name.isidentifier()
        assert isa.name in name

"""Numeric types: their names and sizes are numpy's."""

import numpy as np
import pytest

from rdpass.core.numeric_types import ALL_FLOAT32, FLOAT16, FLOAT32, INT8, INT32, UINT8, NumericType, NumericTypes


@pytest.mark.parametrize("numeric", NumericType)
def test_a_type_is_numpys_of_that_name_and_size(numeric):
    dtype = np.dtype(numeric)
    assert (dtype.name, dtype.itemsize) == (numeric, numeric.bytes)
    assert (dtype.kind == "f") == numeric.is_float


def test_abbreviations_tell_sign_and_width():
    assert [t.abbreviation for t in (FLOAT32, FLOAT16, INT8, UINT8)] == ["f32", "f16", "s8", "u8"]


def test_a_tensors_size_is_in_bytes():
    assert (FLOAT32.size((2, 3)), FLOAT16.size((2, 3)), INT8.size(())) == (24, 12, 1)


def test_types_print_short_and_the_same_in_every_process():
    assert repr(ALL_FLOAT32) == "NumericTypes(input=f32, weight=f32, accumulator=f32, output=f32)"


def test_several_types_have_one_word_or_tell_what_is_read_multiplied_by_and_written():
    assert ALL_FLOAT32.abbreviation == "f32"
    assert NumericTypes(UINT8, INT8, INT32, FLOAT16).abbreviation == "u8s8f16"

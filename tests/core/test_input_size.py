"""Sizes as they are written on the command line, and as arrays have them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rdpass.core.errors import ConfigError
from rdpass.core.input_size import InputSize, as_sizes, in_order, parse_sizes


def test_names_and_types_are_read() -> None:
    assert parse_sizes("1x3x8x8") == (InputSize((1, 3, 8, 8)),)
    assert parse_sizes("input:0=1x4:int64, mask=7") == (InputSize((1, 4), "input:0", "int64"), InputSize((7,), "mask"))


@pytest.mark.parametrize("text", ["", "x", "1x", "0x3", "1x3,", "a=", "1x3:", "-1x3", "1,,2"])
def test_what_is_no_size_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ConfigError, match="write it as 1x3x224x224"):
        parse_sizes(text)


def test_more_numbers_than_kernels_can_count_are_refused() -> None:
    assert parse_sizes("65536x32768")[0].shape == (65536, 32768)
    with pytest.raises(ConfigError, match="more than 2\\^31 numbers"):
        parse_sizes("1x3x999999999x999999999")


def test_arrays_have_sizes_too() -> None:
    assert as_sizes(np.zeros((2, 3), np.float32)) == (InputSize((2, 3), None, "float32"),)
    assert as_sizes((torch.zeros(1, dtype=torch.int64), np.ones(2))) == (
        InputSize((1,), None, "int64"),
        InputSize((2,), None, "float64"),
    )
    assert as_sizes(None) == ()
    with pytest.raises(ConfigError, match="an example is an array"):
        as_sizes([3])


def test_sizes_stand_in_the_models_order_by_their_names() -> None:
    names = ("image", "mask", "scale")
    assert [size.shape for size in in_order(parse_sizes("mask=4,3"), names)] == [(3,), (4,)]
    assert [size.shape for size in in_order(parse_sizes("3,4"), names)] == [(3,), (4,)]
    assert len(in_order(parse_sizes("1,2,3,4"), names)) == 4  # one too many, which the model itself refuses
    for text, said in (("y=3", "no input 'y'; the model takes image, mask, scale"), ("mask=3,mask=4", "two sizes"),
                       ("mask=3", "give the size of 'image' too")):  # fmt: skip
        with pytest.raises(ConfigError, match=said):
            in_order(parse_sizes(text), names)

"""Extents, operations and kinds of a convolution."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from rdpass.kernels.workload import Convolution, Epilogue

CONV = Convolution(2, 6, 9, 11, 8, (3, 2), (2, 1), (1, 2, 0, 1), (1, 3), 3)


def test_extents_are_those_of_torch():
    padded = F.pad(torch.zeros(2, 6, 11, 8), (2, 1, 1, 0))
    wanted = F.conv2d(padded, torch.zeros(9, 2, 3, 2), None, (2, 1), 0, (1, 3), 3)
    assert (CONV.batch, CONV.filters, CONV.out_height, CONV.out_width) == tuple(wanted.shape)
    assert CONV.out_pixels == wanted.shape[2] * wanted.shape[3]
    assert CONV.reach == (3, 4)


def test_an_output_is_the_products_of_its_own_group_alone():
    assert CONV.macs == 2 * CONV.out_pixels * 9 * 2 * 3 * 2
    assert CONV.operations == 2 * CONV.macs
    assert replace(CONV, groups=1).macs == 3 * CONV.macs


def test_a_window_of_several_pixels_counts_each():
    spread = replace(CONV, groups=1, subpixel=(2, 3))
    assert (spread.subpixels, spread.out_height, spread.out_width) == (6, CONV.out_height, CONV.out_width)
    assert spread.out_pixels == 6 * CONV.out_pixels
    assert spread.macs == 6 * replace(CONV, groups=1).macs


@pytest.mark.parametrize(
    ("change", "pointwise"),
    [
        ({}, True),
        ({"stride": (2, 2)}, True),
        ({"kernel": (1, 3)}, False),
        ({"padding": (0, 0, 0, 1)}, False),
        ({"groups": 2}, False),
        ({"subpixel": (2, 1)}, False),
    ],
)
def test_a_pointwise_one_sees_one_pixel_and_all_channels(change, pointwise):
    assert replace(Convolution(1, 8, 6, 5, 5, (1, 1)), **change).is_pointwise == pointwise


@pytest.mark.parametrize(("channels", "filters", "groups", "depthwise"), [
    (8, 8, 8, True), (8, 16, 8, False), (8, 8, 4, False), (1, 1, 1, False),
])  # fmt: skip
def test_a_depthwise_one_has_a_group_for_every_channel(channels, filters, groups, depthwise):
    assert Convolution(1, channels, filters, 5, 5, (3, 3), groups=groups).is_depthwise == depthwise


def test_it_is_described_with_what_sets_it_apart():
    assert Convolution(1, 8, 6, 5, 7, (1, 1)).describe() == "conv 1x1 8-6 5x7"
    assert Convolution(1, 8, 8, 5, 7, (3, 3), (2, 2), groups=8).describe() == "depthwise 3x3/2 8-8 5x7"
    added = Convolution(1, 8, 6, 5, 7, (2, 2), epilogue=Epilogue(add=True), subpixel=(2, 3))
    assert added.describe() == "conv 2x2 8-6 5x7 to 2x3 pixels each + add"


def test_in_place_changes_the_epilogue_alone():
    added = replace(CONV, epilogue=Epilogue("relu", add=True))
    assert added.in_place() == replace(CONV, epilogue=Epilogue("relu", add=True, in_place=True))

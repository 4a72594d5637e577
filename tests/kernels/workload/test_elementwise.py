"""An epilogue on a map that is there already: its table, and what it is called."""

import pytest

from rdpass.kernels.workload import Elementwise, Epilogue


@pytest.mark.parametrize(("scale", "more"), [("none", 0), ("constant", 1), ("gate", 0)])
@pytest.mark.parametrize(("activation", "rows"), [("relu", 1), ("prelu", 2), ("channel_clip", 3)])
def test_a_constant_scale_is_one_more_row_of_the_table_and_a_gate_is_none(scale, more, activation, rows):
    assert Elementwise(2, 10, 21, Epilogue(activation), scale).rows == rows + more


def test_every_number_of_every_image_is_an_operation():
    assert Elementwise(3, 10, 21).operations == 630


@pytest.mark.parametrize(("scale", "word"), [("none", "silu"), ("constant", "constant"), ("gate", "gate")])
def test_it_is_called_after_its_scale_or_its_activation(scale, word):
    assert Elementwise(1, 10, 21, Epilogue("silu"), scale).describe() == f"{word} 10 21 pixels"


def test_in_place_keeps_the_scale():
    work = Elementwise(1, 10, 21, Epilogue("relu", add=True), "gate")
    assert work.in_place() == Elementwise(1, 10, 21, Epilogue("relu", add=True, in_place=True), "gate")

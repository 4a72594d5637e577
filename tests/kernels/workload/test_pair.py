"""Two pointwise convolutions as one workload: the sum of both, with the second's end."""

from dataclasses import replace

from rdpass.core.numeric_types import ALL_FLOAT32, FLOAT16, FLOAT32, NumericTypes
from rdpass.kernels.workload import Convolution, Epilogue, PointwisePair

FIRST = Convolution(2, 10, 26, 7, 5, (1, 1), epilogue=Epilogue("relu"))
SECOND = Convolution(2, 26, 6, 7, 5, (1, 1), epilogue=Epilogue("silu", add=True))
PAIR = PointwisePair(FIRST, SECOND)


def test_operations_are_those_of_both():
    assert PAIR.operations == 2 * 2 * 35 * (10 * 26 + 26 * 6)
    assert PAIR.operations == FIRST.operations + SECOND.operations


def test_it_ends_as_the_second_does_and_only_that_is_written_over():
    assert PAIR.epilogue == SECOND.epilogue
    assert PAIR.in_place() == PointwisePair(FIRST, SECOND.in_place())


def test_its_types_are_the_firsts_with_what_the_second_writes():
    half = NumericTypes(FLOAT32, FLOAT32, FLOAT32, FLOAT16)
    pair = PointwisePair(FIRST, replace(SECOND, types=half))
    assert pair.types == half
    assert pair.all_types == (ALL_FLOAT32, half)


def test_the_order_of_the_halves_counts():
    assert PointwisePair(SECOND, FIRST) != PAIR
    assert PAIR.describe() == "pair 10-26-6 7x5"

"""The first convolution with its pool: the sum of both, with the convolution's end."""

from dataclasses import replace

from rdpass.core.numeric_types import FLOAT16, NumericTypes
from rdpass.kernels.workload import Convolution, Epilogue, Pooling, Stem

CONV = Convolution(1, 3, 10, 19, 27, (7, 7), (2, 2), (3, 3, 3, 3), epilogue=Epilogue("relu", add=True))
POOL = Pooling(1, 10, 10, 14, "max", (3, 3), (2, 2), (1, 1, 1, 1))


def test_operations_are_those_of_the_convolution_and_of_the_pool_if_there_is_one():
    assert Stem(CONV).operations == CONV.operations
    assert Stem(CONV, POOL).operations == CONV.operations + POOL.operations


def test_epilogue_and_types_are_the_convolutions():
    half = NumericTypes(FLOAT16, FLOAT16, FLOAT16, FLOAT16)
    stem = Stem(replace(CONV, types=half), POOL)
    assert stem.types == half
    assert stem.epilogue == CONV.epilogue
    assert Stem(CONV, POOL).in_place() == Stem(CONV.in_place(), POOL)


def test_the_pool_is_told():
    assert Stem(CONV).describe() == "stem 7x7 3-10 19"
    assert Stem(CONV, POOL).describe() == "stem 7x7 3-10 19 + pool"

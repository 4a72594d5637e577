"""A stem of bytes: what it reads is told, and its numbers are the convolution's."""

from rdpass.core.numeric_types import FLOAT32, INT8, INT32, UINT8, NumericTypes
from rdpass.kernels.workload import Convolution, Epilogue, Pooling, QuantizedStem

BYTES = NumericTypes(INT8, INT8, INT32, INT8)
CONV = Convolution(1, 3, 10, 19, 27, (7, 7), (2, 2), (3, 3, 3, 3), epilogue=Epilogue("clip", add=True), types=BYTES)
POOL = Pooling(1, 10, 10, 14, "max", (3, 3), (2, 2), (1, 1, 1, 1), types=BYTES)


def test_the_type_of_the_image_is_told_and_float32_if_nothing_is_said():
    assert QuantizedStem(CONV, POOL).source is FLOAT32
    assert QuantizedStem(CONV, POOL).describe() == "stem 7x7 3-10 19 + pool of float32"
    assert QuantizedStem(CONV, source=UINT8).describe() == "stem 7x7 3-10 19 of uint8"


def test_types_operations_and_epilogue_are_those_of_the_convolution_whatever_the_image_is():
    stem = QuantizedStem(CONV, POOL, UINT8)
    assert stem.all_types == (BYTES,)
    assert stem.operations == CONV.operations + POOL.operations
    assert stem.in_place() == QuantizedStem(CONV.in_place(), POOL, UINT8)

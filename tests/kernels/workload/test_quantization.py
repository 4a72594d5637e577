"""Its words, and its count of operations."""

from rdpass.core.numeric_types import FLOAT32, INT8, NumericTypes
from rdpass.kernels.workload import Quantization


def test_every_number_of_every_image_is_an_operation():
    work = Quantization(2, 20, 21, NumericTypes(FLOAT32, FLOAT32, FLOAT32, INT8))
    assert work.operations == 840
    assert work.describe() == "quantize 20 21 pixels"

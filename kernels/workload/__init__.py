"""Workloads, what kernels are asked to compute: shapes, strides, numeric types, and an epilogue.

All are hashable, so that equal workloads share one kernel. Activations are (N, C, H, W) in these words; how they lie in
memory is the layout's business (see ``builder.function``).
"""

from rdpass.kernels.workload.base import Workload
from rdpass.kernels.workload.convolution import Convolution
from rdpass.kernels.workload.dequantization import Dequantization
from rdpass.kernels.workload.elementwise import Elementwise
from rdpass.kernels.workload.epilogue import NO_EPILOGUE, ActivationKind, Epilogue
from rdpass.kernels.workload.head import Head
from rdpass.kernels.workload.pair import PointwisePair
from rdpass.kernels.workload.pooling import Pooling
from rdpass.kernels.workload.quantization import Quantization
from rdpass.kernels.workload.quantized_stem import QuantizedStem
from rdpass.kernels.workload.resizing import Places, Resizing
from rdpass.kernels.workload.stem import Stem

__all__ = [
    "NO_EPILOGUE", "ActivationKind", "Convolution", "Dequantization", "Elementwise", "Epilogue", "Head", "Places",
    "PointwisePair", "Pooling", "Quantization", "QuantizedStem", "Resizing", "Stem", "Workload",
]  # fmt: skip

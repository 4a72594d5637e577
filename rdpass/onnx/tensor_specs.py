"""Inputs and outputs of an ONNX model as specs, and random numbers for them."""

from __future__ import annotations

import numpy as np
import onnx

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.tensor_spec import TensorSpec

SEED = 0
_BYTES = {"uint8": (0, 256), "int8": (-128, 128)}


def spec_of(value: onnx.ValueInfoProto, label: str) -> TensorSpec:
    """
    Raises:
        ConfigError: it has no static shape, or is of a type that numpy does not have.
    """
    kind = value.type.tensor_type
    extents = kind.shape.dim
    if not value.type.HasField("tensor_type"):
        raise ConfigError(f"{label}: {value.name!r} is no tensor but a sequence or a map; cut the network before it")
    if not kind.HasField("shape") or not all(d.HasField("dim_value") and d.dim_value > 0 for d in extents):
        raise ConfigError(
            f"{label}: {value.name!r} has no static shape: give the sizes of all inputs with --input; if it depends on"
            " the numbers (as of NonZero, Unique), cut the network before that"
        )
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    if dtype.kind not in "fiub":
        raise ConfigError(f"{label}: {value.name!r} is of type {dtype.name}, which .npy files and numpy don't have")
    return TensorSpec(value.name, tuple(d.dim_value for d in extents), dtype.name)


def random_input(spec: TensorSpec, index: int) -> Array:
    """Standard-normal numbers for the input at ``index``, any bytes, or zeros and ones as other integers; seeded."""
    generator = np.random.default_rng([SEED, index])
    if np.dtype(spec.dtype).kind == "f":
        return generator.standard_normal(spec.shape).astype(spec.dtype)
    if spec.dtype in _BYTES:
        return generator.integers(*_BYTES[spec.dtype], spec.shape).astype(spec.dtype)
    return generator.integers(0, 2, spec.shape).astype(spec.dtype)

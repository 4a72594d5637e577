"""A batch norm of constant statistics as scale and shift per channel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rdpass.passes.lowering.dataflow import array_of, operator_of

Array = npt.NDArray[np.float64]


def affine_of(call: Any) -> tuple[Array, Array] | None:
    """Scale and shift of a batch norm over the channels of (N, C, …), in double precision.

    s = γ / √(σ² + ε) and β − s μ; None for any other call, and where something of it is no constant.
    """
    if operator_of(call) != "relax.nn.batch_norm" or call.attrs.training or int(call.attrs.axis) != 1:
        return None
    constants = [array_of(argument) for argument in call.args[1:]]
    if any(array is None for array in constants):
        return None
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in constants)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = gamma / np.sqrt(variance + call.attrs.epsilon)
    return scale, beta - scale * mean

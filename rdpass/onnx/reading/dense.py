"""Products of matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rdpass.onnx.reading.call import Call, Reader


def linear(call: Call, weights: Tensor, bias: Tensor | None) -> Any:
    """The first input through an ``nn.Linear`` of weights (outputs, inputs)."""
    module = nn.Linear(weights.shape[1], weights.shape[0], bias is not None, device="meta")
    module.weight = nn.Parameter(weights)
    if bias is not None:
        module.bias = nn.Parameter(bias)
    return call.module(module)


def gemm(call: Call) -> Any:
    """alpha * A' * B' + beta * C; a linear layer where A is read as it is, and B and C are constants."""
    alpha, beta = call.attribute("alpha", 1.0), call.attribute("beta", 1.0)
    turned = bool(call.attribute("transB", 0))
    weights, added = call.array(1), call.array(2) if call.has(2) else None
    plain_bias = not call.has(2) or (
        added is not None and weights is not None and added.size in (1, _outputs(weights, turned))
    )
    one_row = added is None or added.ndim < 2 or added.shape[0] == 1
    if weights is not None and plain_bias and one_row and not call.attribute("transA", 0):
        matrix = call.tensor(1, "weight") if turned else call.tensor(1, "weight").T.contiguous()
        bias = None
        if call.has(2):
            bias = (call.tensor(2, "bias").reshape(-1) * beta).expand(matrix.shape[0]).contiguous()
        return linear(call, matrix if alpha == 1 else matrix * alpha, bias)
    left, right = call.value(0), call.value(1)
    left = call.call(torch.t, left) if call.attribute("transA", 0) else left
    right = call.call(torch.t, right) if turned else right
    product = _scaled(call, call.call(torch.matmul, left, right), alpha)
    return call.call(torch.add, product, _scaled(call, call.value(2), beta)) if call.has(2) else product


def _outputs(weights: Any, turned: bool) -> int:
    return int(weights.shape[0 if turned else 1])


def _scaled(call: Call, value: Any, factor: float) -> Any:
    return value if factor == 1 else call.call(torch.mul, value, factor)


def matmul(call: Call) -> Any:
    weights = call.array(1)
    if weights is not None and weights.ndim == 2:
        return linear(call, call.tensor(1, "weight").T.contiguous(), None)
    return call.call(torch.matmul, call.value(0), call.value(1))


def einsum(call: Call) -> Any:
    operands = [call.value(index) for index in range(len(call.node.inputs))]
    return call.call(torch.einsum, call.attribute("equation"), *operands)


READERS: Mapping[str, Reader] = {"Gemm": gemm, "MatMul": matmul, "Einsum": einsum}

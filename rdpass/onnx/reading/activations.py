"""Activations, as torch's modules where there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from rdpass.onnx.normalise.graph import made_by
from rdpass.onnx.reading.call import Call, Reader

HARD_SWISH = (1 / 6, 0.5)


def _plain(make: Callable[[Call], nn.Module]) -> Reader:
    return lambda call: call.module(make(call))


def clip(call: Call) -> Any:
    """Bounds are attributes up to opset 6, then inputs; with constants a module, ReLU6 by its name."""
    low, high = _bound(call, "min", 1), _bound(call, "max", 2)
    if (low, high) == (0.0, 6.0):
        return call.module(nn.ReLU6())
    if isinstance(low, float) and high is None and low == 0:
        return call.module(nn.ReLU())
    if isinstance(low, float) and isinstance(high, float) and low < high:
        return call.module(nn.Hardtanh(low, high))
    if low is None and high is None:
        return call.value(0)
    if any(isinstance(bound, float | int) for bound in (low, high)) and all(
        bound is None or isinstance(bound, float | int) for bound in (low, high)
    ):
        return call.call(torch.clamp, call.value(0), low, high)
    result = call.value(0)
    result = result if low is None else call.call(torch.maximum, result, call.value(1))
    return result if high is None else call.call(torch.minimum, result, call.value(2))


def _bound(call: Call, name: str, index: int) -> Any:
    given = call.attribute(name)
    if given is not None or not call.has(index):
        return given
    array = call.array(index)
    return call.value(index) if array is None else array.reshape(-1)[0].item()


def parametric(call: Call) -> Any:
    """One slope, or one a channel: torch's module. Slopes in another order: by arithmetic."""
    slope, shape = call.array(1), call.shape()
    if slope is not None and len(shape) > 1 and (slope.size == 1 or _is_per_channel(slope.shape, shape)):
        module = nn.PReLU(slope.size)
        module.weight = nn.Parameter(call.tensor(1, "slope").reshape(-1))
        return call.module(module)
    negative = call.call(torch.clamp, call.value(0), None, 0)
    positive = call.call(torch.clamp, call.value(0), 0)
    return call.call(torch.add, positive, call.call(torch.mul, negative, call.value(1)))


def _is_per_channel(slopes: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Tell whether slopes are (C, 1, ...), with ones before it or none."""
    whole = (1,) * (len(shape) - len(slopes)) + slopes
    return whole == (1, shape[1], *[1] * (len(shape) - 2))


def hard_sigmoid(call: Call) -> Any:
    alpha, beta = call.attribute("alpha", 0.2), call.attribute("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-7 and beta == 0.5:
        return call.module(nn.Hardsigmoid())
    line = call.call(torch.add, call.call(torch.mul, call.value(0), alpha), beta)
    return call.call(torch.clamp, line, 0, 1)


def thresholded(call: Call) -> Any:
    return call.call(F.threshold, call.value(0), call.attribute("alpha", 1.0), 0.0)


def shrink(call: Call) -> Any:
    """x + bias below -lambd, x - bias above lambd, 0 between."""
    edge, bias, x = call.attribute("lambd", 0.5), call.attribute("bias", 0.0), call.value(0)
    below = call.call(torch.lt, x, -edge)
    above = call.call(torch.gt, x, edge)
    kept = call.call(torch.where, below, call.call(torch.add, x, bias), call.call(torch.sub, x, bias))
    outside = call.call(torch.logical_or, below, above)
    return call.call(torch.where, outside, kept, call.call(torch.zeros_like, x))


def hardmax(call: Call) -> Any:
    axis = call.attribute("axis", -1)
    best = call.call(torch.argmax, call.value(0), axis, True)
    zeros = call.call(torch.zeros_like, call.value(0))
    return call.call(torch.scatter, zeros, axis, best, 1.0)


def swish(call: Call) -> Any:
    alpha = call.attribute("alpha", 1.0)
    if alpha == 1:
        return call.module(nn.SiLU())
    gate = call.call(torch.sigmoid, call.call(torch.mul, call.value(0), alpha))
    return call.call(torch.mul, call.value(0), gate)


def self_gated(call: Call) -> Any:
    """``x * Sigmoid(x)`` and ``x * HardSigmoid(x)`` as the modules they are; None for another product."""
    for index in (0, 1):
        value, other = call.node.inputs[index], call.node.inputs[1 - index]
        gate = made_by(other, "Sigmoid", "HardSigmoid")
        if gate is None or gate.inputs[0] is not value:
            continue
        if gate.op_type == "Sigmoid":
            return call.module(nn.SiLU(), call.value(index))
        inner = Call(gate, call.network)
        if abs(inner.attribute("alpha", 0.2) - HARD_SWISH[0]) < 1e-7 and inner.attribute("beta", 0.5) == HARD_SWISH[1]:
            return call.module(nn.Hardswish(), call.value(index))
    return None


def gelu(call: Call) -> Any:
    return call.module(nn.GELU(call.attribute("approximate", "none")))


def selu(call: Call) -> Any:
    alpha, gamma = (
        call.attribute("alpha", 1.67326319217681884765625),
        call.attribute("gamma", 1.05070102214813232421875),
    )
    return call.call(torch.mul, call.call(F.elu, call.value(0), alpha), gamma)


def softmax_like(module: Callable[[int], nn.Module]) -> Reader:
    def read(call: Call) -> Any:
        return call.module(module(call.attribute("axis", -1)))

    return read


READERS: Mapping[str, Reader] = {
    "Relu": _plain(lambda call: nn.ReLU()),
    "LeakyRelu": _plain(lambda call: nn.LeakyReLU(call.attribute("alpha", 0.01))),
    "Elu": _plain(lambda call: nn.ELU(call.attribute("alpha", 1.0))),
    "Celu": _plain(lambda call: nn.CELU(call.attribute("alpha", 1.0))),
    "Selu": selu,
    "Sigmoid": _plain(lambda call: nn.Sigmoid()),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": _plain(lambda call: nn.Hardswish()),
    "Swish": swish,
    "Tanh": _plain(lambda call: nn.Tanh()),
    "Softplus": _plain(lambda call: nn.Softplus()),
    "Softsign": _plain(lambda call: nn.Softsign()),
    "Mish": _plain(lambda call: nn.Mish()),
    "Gelu": gelu,
    "PRelu": parametric,
    "Clip": clip,
    "ThresholdedRelu": thresholded,
    "Shrink": shrink,
    "Hardmax": hardmax,
    "Softmax": softmax_like(nn.Softmax),
    "LogSoftmax": softmax_like(nn.LogSoftmax),
}

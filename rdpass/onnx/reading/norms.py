"""Normalisations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from rdpass.onnx.reading.call import Call, Reader, Unreadable

BATCH_NORMS: dict[int, Any] = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
INSTANCE_NORMS: dict[int, Any] = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}


def batch_norm(call: Call) -> Any:
    if call.attribute("training_mode", 0):
        raise Unreadable("it is in training mode; export the network in eval mode")
    call.reads(1)
    scale, shift, mean, variance = (
        call.tensor(i, what) for i, what in enumerate(("scale", "bias", "mean", "variance"), start=1)
    )
    kind = BATCH_NORMS.get(len(call.shape()))
    if kind is None:
        raise Unreadable(f"its input has {len(call.shape())} axes")
    module = kind(scale.numel(), eps=call.attribute("epsilon", 1e-5), device="meta")
    module.weight, module.bias = nn.Parameter(scale), nn.Parameter(shift)
    module.running_mean, module.running_var = mean, variance
    module.num_batches_tracked = torch.tensor(0)
    return call.module(module)


def instance_norm(call: Call) -> Any:
    scale, shift = call.tensor(1, "scale"), call.tensor(2, "bias")
    kind = INSTANCE_NORMS.get(len(call.shape()))
    if kind is None:
        raise Unreadable(f"its input has {len(call.shape())} axes")
    module = kind(scale.numel(), eps=call.attribute("epsilon", 1e-5), affine=True, device="meta")
    module.weight, module.bias = nn.Parameter(scale), nn.Parameter(shift)
    return call.module(module)


def group_norm(call: Call) -> Any:
    """From opset 21 on scale and bias are one a channel, before that one a group."""
    scale, shift, groups = call.tensor(1, "scale"), call.tensor(2, "bias"), call.attribute("num_groups")
    channels = call.shape()[1]
    scale, shift = (each.repeat_interleave(channels // each.numel()) for each in (scale, shift))
    module = nn.GroupNorm(groups, channels, call.attribute("epsilon", 1e-5), device="meta")
    module.weight, module.bias = nn.Parameter(scale), nn.Parameter(shift)
    return call.module(module)


def layer_norm(call: Call) -> Any:
    axis = call.attribute("axis", -1) % len(call.shape())
    shape = call.shape()[axis:]
    epsilon = call.attribute("epsilon", 1e-5)
    if len(call.node.outputs) > 1:
        return _layer_norm_in_parts(call, axis, epsilon)
    weight = call.tensor(1, "scale").expand(shape).contiguous()
    module = nn.LayerNorm(shape, epsilon, device="meta")
    module.weight = nn.Parameter(weight)
    bias = call.tensor(2, "bias").expand(shape).contiguous() if call.has(2) else torch.zeros(shape)
    module.bias = nn.Parameter(bias)
    return call.module(module)


def _layer_norm_in_parts(call: Call, axis: int, epsilon: float) -> Any:
    """With the mean and the inverse deviation, which torch's module keeps to itself."""
    axes = tuple(range(axis, len(call.shape())))
    mean = call.call(torch.mean, call.value(0), axes, True)
    centred = call.call(torch.sub, call.value(0), mean)
    variance = call.call(torch.mean, call.call(torch.mul, centred, centred), axes, True)
    inverse = call.call(torch.rsqrt, call.call(torch.add, variance, epsilon))
    scaled = call.call(torch.mul, call.call(torch.mul, centred, inverse), call.value(1))
    whole = call.call(torch.add, scaled, call.value(2)) if call.has(2) else scaled
    return (whole, mean, inverse)[: len(call.node.outputs)]


def rms_norm(call: Call) -> Any:
    axis = call.attribute("axis", -1) % len(call.shape())
    shape = call.shape()[axis:]
    weight = call.call(torch.Tensor.expand, call.value(1), shape)
    return call.call(F.rms_norm, call.value(0), shape, weight, call.attribute("epsilon", 1e-5))


def mean_variance(call: Call) -> Any:
    axes = tuple(call.attribute("axes", (0, 2, 3)))
    centred = call.call(torch.sub, call.value(0), call.call(torch.mean, call.value(0), axes, True))
    variance = call.call(torch.mean, call.call(torch.mul, centred, centred), axes, True)
    deviation = call.call(torch.add, call.call(torch.sqrt, variance), 1e-9)
    return call.call(torch.div, centred, deviation)


def local_response(call: Call) -> Any:
    """ONNX's window of an even size has its larger half behind, torch's before."""
    size = call.attribute("size")
    if size % 2 == 0:
        raise Unreadable(f"its size {size} is even")
    alpha, beta, bias = (
        call.attribute(name, usual) for name, usual in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))
    )
    return call.module(nn.LocalResponseNorm(size, alpha, beta, bias))


def lp_norm(call: Call) -> Any:
    return call.call(F.normalize, call.value(0), float(call.attribute("p", 2)), call.attribute("axis", -1), 1e-30)


READERS: Mapping[str, Reader] = {
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "LayerNormalization": layer_norm,
    "RMSNormalization": rms_norm,
    "MeanVarianceNormalization": mean_variance,
    "LRN": local_response,
    "LpNormalization": lp_norm,
}

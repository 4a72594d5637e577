"""Linear maps of feature maps, in the one form that convolution, batch norm in eval mode and average pooling share.

    y[o, n] = bias[o] + sum over i, t of weight[o, i, t] * x[i, n * stride - before + t * dilation]

per axis, x having so many zeros ``before`` and ``after`` it (or what ``mode`` says), i running over o's group of
inputs. Weights are float64, so that what is composed here is rounded once, when it becomes a convolution again; on the
meta device there are shapes alone, which is all that a price takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from math import gcd

import torch
from torch import Tensor

from rdpass.passes.graph.linear.dirac import at

Axes = tuple[int, ...]


class NotExact(Exception):
    """Carries a reason out of a construction; the ``plan_`` functions turn it into text, none lets it pass."""


@dataclass(frozen=True)
class LinearMap:
    """The map above. ``weight``: (O, I / groups, *kernel). ``bias``: (O,), or None."""

    weight: Tensor
    bias: Tensor | None
    stride: Axes
    before: Axes
    after: Axes
    dilation: Axes
    groups: int = 1
    mode: str = "zeros"

    @property
    def inputs(self) -> int:
        return self.weight.shape[1] * self.groups

    @property
    def outputs(self) -> int:
        return self.weight.shape[0]

    @property
    def kernel(self) -> Axes:
        return tuple(self.weight.shape[2:])

    @property
    def pointwise(self) -> bool:
        """Tell whether an output reads its own position alone, sampled at the stride."""
        return set(self.kernel) == {1} and not self.padded

    @property
    def padded(self) -> bool:
        return any((*self.before, *self.after))

    @property
    def even(self) -> bool:
        """Tell whether it pads alike on both sides of every axis."""
        return self.before == self.after

    @property
    def depthwise(self) -> bool:
        return self.groups == self.inputs == self.outputs

    def size_after(self, size: Axes) -> Axes:
        """The spatial shape that a map of spatial shape ``size`` becomes."""
        geometry = zip(size, self.kernel, self.stride, self.before, self.after, self.dilation, strict=True)
        return tuple((n + b + a - d * (k - 1) - 1) // s + 1 for n, k, s, b, a, d in geometry)


def pointwise_map(weight: Tensor, bias: Tensor | None, stride: Axes, groups: int = 1) -> LinearMap:
    """A map of the output's own position, sampled at ``stride``; ``weight`` has axes of one for space."""
    zeros = (0,) * len(stride)
    return LinearMap(weight, bias, stride, zeros, zeros, (1,) * len(stride), groups)


def diagonal(scale: Tensor, shift: Tensor | None, dims: int) -> LinearMap:
    """``scale * x + shift`` per channel."""
    weight = scale.double().reshape(-1, *[1] * (dims + 1))
    return pointwise_map(weight, shift, (1,) * dims, len(weight))


def identity(channels: int, dims: int) -> LinearMap:
    """The map of an identity shortcut."""
    return diagonal(torch.ones(channels), None, dims)


def regrouped(linear: LinearMap, groups: int) -> LinearMap:
    """The same map written with fewer groups, a divisor of its own."""
    if groups == linear.groups:
        return linear
    factor, inner = linear.groups // groups, linear.weight.shape[1]
    wide = _zeros(linear.weight, linear.outputs, inner * factor, *linear.kernel)
    if not wide.is_meta:
        per = linear.outputs // linear.groups
        for index in range(linear.groups):
            column = index % factor * inner
            rows = slice(index * per, (index + 1) * per)
            wide[rows, column : column + inner] = linear.weight[rows]
    return replace(linear, weight=wide, groups=groups)


def compose(first: LinearMap, then: LinearMap) -> LinearMap:
    """``then(first(x))`` as one map.

    Raises:
        NotExact: the two are not one map at the borders: ``then`` pads what ``first`` gives with zeros, and that is
            not what ``first`` gives there.
    """
    if then.padded:
        _check_padding(first, then)
    if then.pointwise and then.depthwise:
        return _scaled(first, then)
    axes = zip(first.kernel, first.stride, first.dilation, then.kernel, then.dilation, strict=True)
    spans = [((d1 if k1 > 1 else 0), (d2 * s1 if k2 > 1 else 0), k1, k2) for k1, s1, d1, k2, d2 in axes]
    steps = tuple(gcd(a, b) or 1 for a, b, _, _ in spans)
    kernel = [((k1 - 1) * a + (k2 - 1) * b) // step + 1 for (a, b, k1, k2), step in zip(spans, steps, strict=True)]
    parts = [(t, *_times(first, then, t)) for t in product(*(range(k) for k in then.kernel))]
    groups = parts[0][2]
    weight = _zeros(parts[0][1], then.outputs, first.inputs // groups, *kernel)
    if not weight.is_meta:
        for t2, values, _ in parts:
            where = [
                slice(t * b // step, t * b // step + (k1 - 1) * a // step + 1, max(1, a // step))
                for t, (a, b, k1, _), step in zip(t2, spans, steps, strict=True)
            ]
            weight[(slice(None), slice(None), *where)] += values
    return LinearMap(
        weight,
        _bias_after(first, then),
        tuple(a * b for a, b in zip(first.stride, then.stride, strict=True)),
        _padding(first.before, then.before, first.stride),
        _padding(first.after, then.after, first.stride),
        steps,
        groups,
        then.mode if then.padded else first.mode,
    )


def _padding(first: Axes, then: Axes, stride: Axes) -> Axes:
    return tuple(own + more * step for own, more, step in zip(first, then, stride, strict=True))


def _check_padding(first: LinearMap, then: LinearMap) -> None:
    kernel = "x".join(map(str, then.kernel))
    if not first.pointwise:
        raise NotExact(
            f"a zero-padded {kernel} convolution after another that reads neighbours: not one at the borders"
        )
    if first.bias is not None and then.mode == "zeros":
        raise NotExact(
            f"a 1x1 convolution with a bias before a zero-padded {kernel} one: the padding is zero there, not the bias,"
            " so the two are not one at the borders"
        )
    if then.mode != "zeros" and set(first.stride) != {1}:
        raise NotExact(f"{then.mode} padding after a stride")


def _scaled(first: LinearMap, then: LinearMap) -> LinearMap:
    """``then`` acts on each channel by itself, position by position: a batch norm, or a subsampling."""
    scale, weight = then.weight, first.weight
    meta = scale.is_meta or weight.is_meta
    weight = _meta(weight.shape) if meta else weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    stride = tuple(a * b for a, b in zip(first.stride, then.stride, strict=True))
    return replace(first, weight=weight, bias=_bias_after(first, then), stride=stride)


def _times(first: LinearMap, then: LinearMap, tap: Axes) -> tuple[Tensor, int]:
    """The product at one tap of ``then``: (O, I / groups, *first.kernel), and its groups."""
    matrix = at(then.weight, tap)
    meta = matrix.is_meta or first.weight.is_meta
    if then.depthwise:
        shape, groups = first.weight.shape, first.groups
        return (_meta(shape) if meta else first.weight * matrix.reshape(-1, *[1] * (len(shape) - 1))), groups
    if first.depthwise:
        columns = torch.arange(first.outputs).reshape(then.groups, -1)
        columns = columns.repeat_interleave(then.outputs // then.groups, 0)
        shape = torch.Size((*matrix.shape, *first.kernel))
        values = _meta(shape) if meta else first.weight[:, 0][columns] * matrix.reshape(*matrix.shape, *[1] * len(tap))
        return values, then.groups
    groups = gcd(first.groups, then.groups)
    left, right = regrouped(replace(then, weight=matrix), groups).weight, regrouped(first, groups).weight
    if meta:
        return _meta((then.outputs, *right.shape[1:])), groups
    left, right = (part.reshape(groups, -1, *part.shape[1:]) for part in (left, right))
    return torch.einsum("gom,gmi...->goi...", left, right).flatten(0, 1), groups


def _bias_after(first: LinearMap, then: LinearMap) -> Tensor | None:
    if first.bias is None:
        return then.bias
    if first.bias.is_meta or then.weight.is_meta:
        return _meta((then.outputs,))
    # The bias is a constant map; where ``then`` pads, ``_check_padding`` has seen to it that the border is one too.
    weight = then.weight.flatten(2).sum(2)
    columns = torch.arange(first.outputs).reshape(then.groups, -1)
    columns = columns.repeat_interleave(then.outputs // then.groups, 0)
    through = (weight * first.bias.double()[columns]).sum(1)
    return through if then.bias is None else through + then.bias


def _zeros(like: Tensor, *shape: int) -> Tensor:
    return torch.zeros(shape, dtype=torch.float64, device=like.device)


def _meta(shape: tuple[int, ...] | torch.Size) -> Tensor:
    return torch.empty(shape, dtype=torch.float64, device="meta")

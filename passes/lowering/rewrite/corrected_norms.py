"""Layer and group normalisation by two passes over the map, the second of which corrects the first one's mean.

    m' = sum(x) / n;  d = x - m';  m = m' + sum(d) / n;  v = sum(d^2) / n - (sum(d) / n)^2
    y = (x - m) / sqrt(v + eps) * gamma + beta

Where a map hardly varies, what rounding left in the mean is divided by the root of eps: of a row of 76 equal numbers
the result was 3e-4 of its scale off. Both sums of the second pass are taken at once.

Source: the corrected two-pass algorithm in Chan, Golub, LeVeque, Algorithms for Computing the Sample Variance (1983).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from tvm import relax, te, tirx

Index = tuple[Any, ...]

_PAIR = te.comm_reducer(
    lambda a, b: (a[0] + b[0], a[1] + b[1]), lambda *kinds: tuple(tirx.const(0, kind) for kind in kinds), name="pair"
)


def layer_norm(builder: relax.BlockBuilder, call: Any) -> Any:
    """``relax.nn.layer_norm`` as a function of TVM's."""
    rank = len(call.args[0].ty.shape)
    axes = [int(axis) % rank for axis in call.attrs.axes]
    kept = [axis for axis in range(rank) if axis not in axes]

    def compute(x: Any, gamma: Any, beta: Any) -> Any:
        def at(outer: Index, inner: Index) -> Index:
            places = dict(zip((*kept, *axes), (*outer, *inner), strict=True))
            return tuple(places[axis] for axis in range(rank))

        def own(place: Index) -> tuple[Index, Index]:
            return tuple(place[axis] for axis in kept), tuple(place[axis] for axis in axes)

        outer, inner = ([int(x.shape[axis]) for axis in some] for some in (kept, axes))
        return _normalised(x, gamma, beta, outer, inner, at, own, float(call.attrs.epsilon))

    return builder.call_te(compute, *call.args, primfunc_name_hint="layer_norm")


def group_norm(builder: relax.BlockBuilder, call: Any) -> Any:
    """``relax.nn.group_norm`` of a map (N, C, …) over all that a group holds, as a function of TVM's."""
    groups = int(call.attrs.num_groups)
    assert int(call.attrs.channel_axis) == 1  # TVM's importer of ONNX writes no other

    def compute(x: Any, gamma: Any, beta: Any) -> Any:
        count, channels, *space = map(int, x.shape)
        width = channels // groups

        def at(outer: Index, inner: Index) -> Index:
            return (outer[0], outer[1] * width + inner[0], *inner[1:])

        def own(place: Index) -> tuple[Index, Index]:
            return (place[0], place[1] // width), (place[1],)

        return _normalised(x, gamma, beta, [count, groups], [width, *space], at, own, float(call.attrs.epsilon))

    return builder.call_te(compute, *call.args, primfunc_name_hint="group_norm")


def _normalised(
    x: Any,
    gamma: Any,
    beta: Any,
    outer: Sequence[int],
    inner: Sequence[int],
    at: Callable[[Index, Index], Index],
    own: Callable[[Index], tuple[Index, Index]],
    epsilon: float,
) -> Any:
    """``at``: where in the map a group's number lies; ``own``: a number's group, and its place in gamma and beta."""
    count = te.const(prod(inner), x.dtype)

    def inside(group: Index, axes: Sequence[Any]) -> Any:
        return x(*at(group, tuple(axes)))

    axes = [te.reduce_axis((0, extent)) for extent in inner]
    sums = te.compute(outer, lambda *group: te.sum(inside(group, axes), axis=axes))
    first = te.compute(outer, lambda *group: sums(*group) / count)
    again = [te.reduce_axis((0, extent)) for extent in inner]

    def both(*group: Any) -> Any:
        off = inside(group, again) - first(*group)
        return _PAIR((off, off * off), axis=again)

    rest, squares = te.compute(outer, both)
    mean = te.compute(outer, lambda *group: first(*group) + rest(*group) / count)
    variance = te.compute(
        outer, lambda *group: squares(*group) / count - (rest(*group) / count) * (rest(*group) / count)
    )
    scale = te.compute(outer, lambda *group: te.rsqrt(tirx.max(variance(*group), 0.0) + te.const(epsilon, x.dtype)))

    def result(*place: Any) -> Any:
        group, parameter = own(place)
        return (x(*place) - mean(*group)) * scale(*group) * gamma(*parameter) + beta(*parameter)

    return te.compute(x.shape, result)

"""What a Resize resizes, read off its attributes and constant inputs."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from rdpass.onnx.interpolation import Resampling
from rdpass.onnx.normalise.graph import array_of, attribute, input_of, shape_of


@dataclass(frozen=True)
class Axis:
    """An axis resized by ``scale`` from ``before`` to ``after`` places; ``roi`` as tf_crop_and_resize has it."""

    index: int
    before: int
    after: int
    scale: float
    roi: tuple[float, float] = (0, 1)


def resampling_of(node: ir.Node) -> Resampling:
    return Resampling(
        attribute(node, "mode", "nearest"),
        attribute(node, "coordinate_transformation_mode", "half_pixel"),
        attribute(node, "nearest_mode", "round_prefer_floor"),
        attribute(node, "cubic_coeff_a", -0.75),
        bool(attribute(node, "exclude_outside", 0)),
        bool(attribute(node, "antialias", 0)),
    )


def resized_axes(node: ir.Node) -> tuple[Axis, ...] | None:
    """The axes that a Resize changes, all of space where it changes only that; None where sizes are no constants."""
    before, after = shape_of(input_of(node, 0)), shape_of(node.outputs[0])
    if before is None or after is None:
        return None
    named = [axis % len(before) for axis in attribute(node, "axes", range(len(before)))]
    scales = _scales(node, before, after, named)
    if scales is None:
        return None
    roi = (
        array_of(input_of(node, 1))
        if attribute(node, "coordinate_transformation_mode") == "tf_crop_and_resize"
        else None
    )
    ends = [(0.0, 1.0)] * len(named)
    if roi is not None and roi.size == 2 * len(named):
        ends = [(float(start), float(end)) for start, end in roi.reshape(2, -1).T]
    every = [Axis(i, before[i], after[i], s, e) for i, s, e in zip(named, scales, ends, strict=True)]
    changed = [axis for axis in every if axis.scale != 1 or axis.before != axis.after or axis.roi != (0.0, 1.0)]
    spatial = all(axis.index >= 2 for axis in changed)
    return tuple(sorted((a for a in every if a in changed or (spatial and a.index >= 2)), key=lambda axis: axis.index))


def _scales(node: ir.Node, before: tuple[int, ...], after: tuple[int, ...], named: list[int]) -> list[float] | None:
    """As given; of sizes the ratio, which may be one for all axes where the proportions are kept."""
    given = array_of(input_of(node, 2))
    if given is not None and given.size:
        return [float(scale) for scale in given]
    sizes = array_of(input_of(node, 3))
    if sizes is None:
        return None
    ratios = [int(size) / before[axis] for size, axis in zip(sizes, named, strict=True)]
    policy = attribute(node, "keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return ratios
    one = min(ratios) if policy == "not_larger" else max(ratios)
    return [one] * len(ratios)

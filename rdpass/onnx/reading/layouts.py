"""Shapes, axes, parts and places: what moves numbers and computes none.

A batch in front stays open: a reshape that keeps it is written for any, so that a network read from a file of one batch
trains on others.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from rdpass.onnx.reading.arithmetic import dtype_of
from rdpass.onnx.reading.call import Call, Reader, Unreadable
from rdpass.onnx.reading.convolutions import torch_padding


def reshape(call: Call) -> Any:
    before, after = call.shape(), call.result_shape()
    keeps_batch = len(before) > 0 and len(after) > 0 and before[0] == after[0] and 0 not in after
    if keeps_batch and len(after) == 2 and len(before) > 2:
        return call.module(nn.Flatten(1))
    return call.call(torch.reshape, call.value(0), (-1, *after[1:]) if keeps_batch else after)


def transpose(call: Call) -> Any:
    axes = call.attribute("perm", tuple(range(len(call.shape())))[::-1])
    return call.call(torch.permute, call.value(0), tuple(axes))


def expand(call: Call) -> Any:
    before, after = call.shape(), call.result_shape()
    if before == after:
        return call.value(0)
    kept = (1,) * (len(after) - len(before)) + before
    extents = [-1 if own == extent and at >= len(after) - len(before) else extent
               for at, (own, extent) in enumerate(zip(kept, after, strict=True))]  # fmt: skip
    return call.call(torch.Tensor.expand, call.value(0), tuple(extents))


def identity(call: Call) -> Any:
    return call.value(0)


def dropout(call: Call) -> Any:
    call.reads(1)
    if call.has(2) and call.constant(2, "training_mode").any():
        raise Unreadable("it is in training mode; export the network in eval mode")
    return call.value(0)


def concat(call: Call) -> Any:
    values = [call.value(index) for index in range(len(call.node.inputs))]
    return call.call(torch.cat, values, call.attribute("axis"))


def split(call: Call) -> Any:
    axis = call.attribute("axis", 0)
    sizes = [call.result_shape(index)[axis] for index in range(len(call.node.outputs))]
    parts = call.call(torch.split, call.value(0), sizes, axis)
    return tuple(call.call(operator.getitem, parts, index) for index in range(len(sizes)))


def slices(call: Call) -> Any:
    starts, ends = call.integers("starts", 1), call.integers("ends", 2)
    assert starts is not None
    assert ends is not None
    shape = call.shape()
    axes = call.integers("axes", 3) or tuple(range(len(starts)))
    steps = call.integers("steps", 4) or (1,) * len(starts)
    value, index = call.value(0), [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = range(shape[axis % len(shape)])[start:end:step]
        if step < 0:
            value = call.call(torch.flip, value, (axis % len(shape),))
            last = shape[axis % len(shape)] - 1
            place = range(last - place.start, last - place.stop, -step)
        index[axis % len(shape)] = slice(place.start, max(place.stop, place.start), place.step)
    return call.call(operator.getitem, value, tuple(index))


def gather(call: Call) -> Any:
    axis, array, shape = call.attribute("axis", 0), call.array(1), call.shape()
    axis %= len(shape)
    if array is None:
        return _gather_by_input(call, axis)
    places = np.where(array < 0, array + shape[axis], array)
    if places.ndim == 0:
        return call.call(torch.select, call.value(0), axis, int(places))
    flat = call.buffer("places", torch.from_numpy(places.reshape(-1).astype(np.int64)))
    taken = call.call(torch.index_select, call.value(0), axis, flat)
    return taken if places.ndim == 1 else call.call(torch.reshape, taken, call.result_shape())


def _gather_by_input(call: Call, axis: int) -> Any:
    flat = call.call(torch.reshape, call.value(1), (-1,))
    places = call.call(torch.remainder, call.call(torch.Tensor.to, flat, torch.int64), call.shape()[axis])
    return call.call(torch.reshape, call.call(torch.index_select, call.value(0), axis, places), call.result_shape())


def gather_elements(call: Call) -> Any:
    axis = call.attribute("axis", 0) % len(call.shape())
    places = call.call(torch.remainder, call.call(torch.Tensor.to, call.value(1), torch.int64), call.shape()[axis])
    return call.call(torch.gather, call.value(0), axis, places)


def scatter_elements(call: Call) -> Any:
    axis, how = call.attribute("axis", 0) % len(call.shape()), call.attribute("reduction", "none")
    places = call.call(torch.remainder, call.call(torch.Tensor.to, call.value(1), torch.int64), call.shape()[axis])
    if how == "none":
        return call.call(torch.scatter, call.value(0), axis, places, call.value(2))
    way = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}[how]
    return call.call(torch.scatter_reduce, call.value(0), axis, places, call.value(2), way)


def scatter_nd(call: Call) -> Any:
    """Numbers, or whole parts, put at constant places; those of the only row of a batch are put in every row."""
    if call.attribute("reduction", "none") != "none":
        raise Unreadable("it adds or multiplies what is there")
    places, shape = call.constant(1, "indices"), call.shape()
    if places.shape[-1] == 0:
        raise Unreadable("its indices have no axes")
    columns = np.moveaxis(places, -1, 0)
    along = [np.where(column < 0, column + shape[axis], column) for axis, column in enumerate(columns)]
    indices = [call.buffer(f"places_{axis}", torch.from_numpy(each)) for axis, each in enumerate(along)]
    if shape[0] == 1 and len(along) > 1:
        return call.call(torch.ops.aten.index_put, call.value(0), [None, *indices[1:]], call.value(2))
    return call.call(torch.index_put, call.value(0), tuple(indices), call.value(2))


def pad(call: Call) -> Any:
    shape = call.shape()
    amounts = call.integers("pads", 1)
    axes = call.integers("axes", 3) or tuple(range(len(shape)))
    mode = call.attribute("mode", "constant")
    assert amounts is not None
    whole = np.zeros((2, len(shape)), int)
    whole[:, [axis % len(shape) for axis in axes]] = np.reshape(amounts, (2, -1))
    kept = next((axis for axis in range(len(shape)) if whole[:, axis].any()), len(shape))
    sides = torch_padding(tuple(map(int, whole[0, kept:])), tuple(map(int, whole[1, kept:])))
    if not sides:
        return call.value(0)
    if mode != "constant":
        return _pad_by_places(call, whole, mode)
    number = call.attribute("value", 0.0)
    if call.has(2):
        number = call.constant(2, "constant_value").reshape(-1)[0].item()
    spatial = len(shape) - 2
    if kept >= 2 and 1 <= spatial <= 3:
        sides = torch_padding(tuple(map(int, whole[0, 2:])), tuple(map(int, whole[1, 2:])))
        return call.module(_pad_module(spatial, sides, number))
    return call.call(F.pad, call.value(0), sides, "constant", number)


def _pad_module(spatial: int, sides: tuple[int, ...], number: float) -> nn.Module:
    zeros: tuple[Any, ...] = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d)
    others: tuple[Any, ...] = (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)
    module: nn.Module = zeros[spatial - 1](sides) if number == 0 else others[spatial - 1](sides, number)
    return module


def _pad_by_places(call: Call, whole: Any, mode: str) -> Any:
    """Reflected, repeated or wrapped: each place of the result reads one of the map."""
    shape, value = call.shape(), call.value(0)
    kept = [axis for axis in range(len(shape)) if whole[:, axis].any()]
    inside = all(whole[:, axis].min() >= 0 and whole[:, axis].max() < shape[axis] for axis in kept)
    if mode == "reflect" and len(shape) in (3, 4) and min(kept) >= 2 and inside:
        sides = torch_padding(tuple(map(int, whole[0, 2:])), tuple(map(int, whole[1, 2:])))
        return call.call(F.pad, value, sides, "reflect")
    for axis in kept:
        before, after = whole[0, axis], whole[1, axis]
        places = np.pad(np.arange(shape[axis]), (max(before, 0), max(after, 0)), mode=mode)  # type: ignore[call-overload]
        places = places[max(-before, 0) : len(places) - max(-after, 0)]
        value = call.call(torch.index_select, value, axis, call.buffer(f"places_{axis}", torch.from_numpy(places)))
    return value


def tile(call: Call) -> Any:
    counts = tuple(int(count) for count in call.constant(1, "repeats"))
    return call.call(torch.tile, call.value(0), counts)


def depth_to_space(call: Call) -> Any:
    """DCR takes the block from the outer channels, CRD (torch's pixel shuffle) from the inner ones."""
    block, (_, channels, height, width) = call.attribute("blocksize"), call.shape()
    if call.attribute("mode", "DCR") == "CRD":
        return call.module(nn.PixelShuffle(block))
    inner = channels // block**2
    parts = call.call(torch.reshape, call.value(0), (-1, block, block, inner, height, width))
    turned = call.call(torch.permute, parts, (0, 3, 4, 1, 5, 2))
    return call.call(torch.reshape, turned, (-1, inner, height * block, width * block))


def space_to_depth(call: Call) -> Any:
    block, (_, channels, height, width) = call.attribute("blocksize"), call.shape()
    if call.attribute("mode", "DCR") == "CRD":
        return call.module(nn.PixelUnshuffle(block))
    parts = call.call(torch.reshape, call.value(0), (-1, channels, height // block, block, width // block, block))
    turned = call.call(torch.permute, parts, (0, 3, 5, 1, 2, 4))
    return call.call(torch.reshape, turned, (-1, channels * block**2, height // block, width // block))


def triangle(call: Call) -> Any:
    diagonal = int(call.constant(1, "k").reshape(-1)[0]) if call.has(1) else 0
    return call.call(torch.triu if call.attribute("upper", 1) else torch.tril, call.value(0), diagonal)


def one_hot(call: Call) -> Any:
    depth, axis = int(call.constant(1, "depth").reshape(-1)[0]), call.attribute("axis", -1)
    off, on = call.constant(2, "values")
    given = call.call(torch.Tensor.to, call.value(0), torch.int64)
    places = call.call(torch.where, call.call(torch.lt, given, 0), call.call(torch.add, given, depth), given)
    hot = call.call(torch.eq, call.call(torch.unsqueeze, places, -1), call.buffer("classes", torch.arange(depth)))
    kind = call.node.inputs[2].dtype if call.node.inputs[2] is not None else None
    numbers = call.call(torch.Tensor.to, hot, dtype_of(int(kind)) if kind is not None else torch.float32)
    scaled = call.call(torch.add, call.call(torch.mul, numbers, (on - off).item()), off.item())
    rank = len(call.shape()) + 1
    return call.call(torch.movedim, scaled, -1, axis % rank)


def constant(call: Call) -> Any:
    """One that is an output of the graph; all others are initialisers."""
    given = call.attribute("value")
    if given is None:
        raise Unreadable("its value is no tensor")
    return call.buffer("value", torch.from_numpy(np.array(given.numpy())))


READERS: Mapping[str, Reader] = {
    "Constant": constant,
    "Reshape": reshape,
    "Flatten": reshape,
    "Squeeze": reshape,
    "Unsqueeze": reshape,
    "Transpose": transpose,
    "Expand": expand,
    "Identity": identity,
    "Dropout": dropout,
    "Concat": concat,
    "Split": split,
    "Slice": slices,
    "Gather": gather,
    "GatherElements": gather_elements,
    "ScatterElements": scatter_elements,
    "ScatterND": scatter_nd,
    "Pad": pad,
    "Tile": tile,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Trilu": triangle,
    "OneHot": one_hot,
}

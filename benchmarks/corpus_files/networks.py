"""Networks of a few layers, one of each kind that people have, written by any ``Writer``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.corpus_files.writer import Value, Writer


@dataclass(frozen=True)
class Network:
    """How it is written, and how many residual adds it has."""

    write: Callable[[Writer], None]
    shortcuts: int


def _layer(w: Writer, x: Value, filters: int, kernel: int | tuple[int, ...] = 3, stride: int = 1, groups: int = 1,
           act: str = "relu") -> Value:  # fmt: skip
    y = w.norm(w.conv(x, filters, kernel, stride, groups, bias=False))
    return w.activation(y, act) if act else y


def residual(w: Writer) -> None:
    x = _layer(w, w.image(3, 24, 24), 16)
    x = w.activation(w.add(x, _layer(w, _layer(w, x, 16), 16, act="")))
    y = _layer(w, _layer(w, x, 24, stride=2), 24, act="")
    x = w.activation(w.add(y, _layer(w, x, 24, 1, stride=2, act="")))
    w.output(w.dense(w.average(x), 10))


def bottleneck(w: Writer) -> None:
    x = _layer(w, w.image(3, 32, 32), 16, 7, 2)
    x = w.pool(x, "MaxPool", 3, 2)
    y = _layer(w, _layer(w, _layer(w, x, 8, 1), 8), 32, 1, act="")
    x = w.activation(w.add(_layer(w, x, 32, 1, act=""), y))
    y = _layer(w, _layer(w, _layer(w, x, 8, 1), 8), 32, 1, act="")
    x = w.activation(w.add(x, y))
    w.output(w.activation(w.dense(w.average(x), 10), "softmax"))


def mobile(w: Writer) -> None:
    x = _layer(w, w.image(3, 25, 25), 16, stride=2, act="relu6")
    y = _layer(w, _layer(w, x, 32, 1, act="relu6"), 32, 3, 1, 32, act="relu6")
    x = w.add(x, _layer(w, y, 16, 1, act=""))
    y = _layer(w, _layer(w, x, 32, 1, act="relu6"), 32, 5, 2, 32, act="relu6")
    w.output(w.dense(w.average(_layer(w, y, 24, 1, act="")), 8))


def gated(w: Writer) -> None:
    """Squeeze and excitation, hard swish."""
    x = _layer(w, w.image(3, 20, 20), 16, stride=2, act="hard_swish")
    y = _layer(w, x, 16, 5, 1, 16, act="hard_swish")
    gate = w.activation(w.conv(w.activation(w.conv(w.average(y, keep=True), 8, 1)), 16, 1), "hard_sigmoid")
    x = w.add(x, _layer(w, w.multiply(y, gate), 16, 1, act=""))
    w.output(w.dense(w.average(w.activation(x, "swish")), 6))


def densely(w: Writer) -> None:
    """Norm and activation before convolutions, joined maps, an average pool between."""
    x = w.conv(w.image(3, 16, 16), 12, bias=False)
    for _ in range(2):
        y = w.conv(w.activation(w.norm(x)), 12, bias=False)
        x = w.concat(x, y)
    x = w.pool(w.conv(w.activation(w.norm(x)), 16, 1), "AveragePool", 3, 2, count_include_pad=1)
    w.output(w.dense(w.average(w.activation(w.norm(x))), 5))


def unet(w: Writer) -> None:
    x = w.activation(w.conv(w.image(3, 16, 16), 8))
    y = w.activation(w.conv(x, 16, stride=2))
    y = w.transposed(y, 8)
    y = w.activation(w.conv(w.concat(x, y), 8), "elu")
    w.output(w.activation(w.conv(y, 2, 1), "sigmoid"))


def segmenter(w: Writer) -> None:
    """Dilated convolutions side by side, maps enlarged linearly, classes as a softmax over channels."""
    x = w.activation(w.conv(w.image(3, 20, 20), 12, stride=2))
    x = w.concat(w.conv(x, 8, 1), w.conv(x, 8, dilation=2), w.conv(x, 8, dilation=3))
    x = w.activation(x)
    w.output(w.activation(w.resize(w.conv(x, 4, 1), 2, "linear"), "softmax"))


def super_resolution(w: Writer) -> None:
    image = w.image(3, 14, 14)
    x = w.activation(w.conv(image, 16), "prelu")
    y = w.conv(w.activation(w.conv(x, 16), "prelu"), 16)
    x = w.add(x, y)
    w.output(w.pixel_shuffle(w.conv(x, 12)))


def detector(w: Writer) -> None:
    """Two scales, each an output; the coarse map enlarged and joined."""
    fine = _layer(w, w.image(3, 24, 24), 12, stride=2, act="leaky")
    coarse = _layer(w, fine, 24, stride=2, act="leaky")
    coarse = w.add(coarse, _layer(w, _layer(w, coarse, 12, 1, act="leaky"), 24, act="leaky"))
    joined = w.concat(fine, w.resize(w.conv(coarse, 8, 1)))
    w.output(w.activation(w.conv(joined, 9, 1), "sigmoid"))
    w.output(w.conv(coarse, 9, 1))


def face(w: Writer) -> None:
    """Norm first, PRelu, maps flattened into a dense layer."""
    x = w.activation(_layer(w, w.image(3, 18, 18), 16, act=""), "prelu")
    y = w.conv(w.norm(x), 16, bias=False)
    y = w.norm(w.conv(w.activation(w.norm(y), "prelu"), 16, stride=2, bias=False))
    x = w.add(y, w.norm(w.conv(x, 16, 1, 2, bias=False)))
    w.output(w.dense(w.flatten(w.norm(x)), 12))


def inception(w: Writer) -> None:
    x = w.activation(w.conv(w.image(3, 18, 18), 12))
    pooled = w.conv(w.pool(x, "AveragePool", 3, 1), 6, 1)
    x = w.concat(w.conv(x, 6, 1), w.conv(w.conv(x, 6, (1, 5)), 6, (5, 1)), pooled, w.pool(x, "MaxPool", 3, 1))
    w.output(w.dense(w.average(w.activation(x)), 7))


def shuffling(w: Writer) -> None:
    x = w.activation(w.conv(w.image(3, 16, 16), 16))
    kept, y = w.split(x, 2)
    y = _layer(w, _layer(w, _layer(w, y, 8, 1), 8, 3, 1, 8, act=""), 8, 1)
    w.output(w.dense(w.average(w.shuffle(w.concat(kept, y), 2)), 4))


def styled(w: Writer) -> None:
    """Instance and group norms, mish and gelu."""
    x = w.activation(w.instance_norm(w.conv(w.image(3, 16, 16), 12)), "mish")
    y = w.conv(w.activation(w.group_norm(w.conv(x, 12), 3), "gelu"), 12)
    w.output(w.activation(w.conv(w.add(x, y), 3), "tanh"))


def speech(w: Writer) -> None:
    x = _layer(w, w.image(8, 40), 16, 5, 2)
    x = w.activation(w.add(x, _layer(w, _layer(w, x, 16, 3), 16, 3, act="")))
    w.output(w.dense(w.average(x), 6))


def transformer(w: Writer) -> None:
    """Patches of an image as tokens, attention, a head on their mean."""
    features, patches = 16, 9
    x = w.conv(w.image(3, 12, 12), features, 3, 4)
    name = w.tokens(x)
    normal = w.layer_norm(name, features)
    queries, keys, values = (w.node("MatMul", normal, w.weight(w.normal(features, features))) for _ in range(3))
    scores = w.node("MatMul", queries, w.node("Transpose", keys, perm=[0, 2, 1]))
    attention = w.node("Softmax", w.node("Mul", scores, w.constant(0.25)), axis=2)
    name = w.node("Add", name, w.node("MatMul", attention, values))
    hidden = w.node("MatMul", w.layer_norm(name, features), w.weight(w.normal(features, 32)))
    hidden = w.activation(Value(hidden, (patches, 32)), "gelu").name
    name = w.node("Add", name, w.node("MatMul", hidden, w.weight(w.normal(32, features))))
    mean = w.reduce("ReduceMean", name, [1], False)
    w.output(w.dense(Value(mean, (features,)), 5))


def reader(w: Writer) -> None:
    """Text lines: the height pooled away, steps over the width as tokens, classes of each."""
    x = w.activation(w.conv(w.image(1, 8, 32), 12, stride=2))
    axes = w.space_axes(x)[:1]
    name = w.reduce("ReduceMean", x.name, axes, False)
    steps = x.shape[2]
    if not w.layout_last:
        name = w.node("Transpose", name, perm=[0, 2, 1])
    scores = w.node("MatMul", name, w.weight(w.normal(12, 11)))
    scores = w.node("Add", scores, w.weight(np.linspace(-1, 1, 11)))
    w.output_tokens(w.node("Softmax", scores, axis=2), steps, 11)


NETWORKS = {
    "residual": Network(residual, 2),
    "bottleneck": Network(bottleneck, 2),
    "mobile": Network(mobile, 1),
    "gated": Network(gated, 1),
    "densely": Network(densely, 0),
    "unet": Network(unet, 0),
    "segmenter": Network(segmenter, 0),
    "super_resolution": Network(super_resolution, 1),
    "detector": Network(detector, 1),
    "face": Network(face, 1),
    "inception": Network(inception, 0),
    "shuffling": Network(shuffling, 0),
    "styled": Network(styled, 1),
    "speech": Network(speech, 1),
    "transformer": Network(transformer, 2),
    "reader": Network(reader, 0),
}

"""Reading and changing a graph."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from rdpass.onnx.normalise.graph import (
    array_of,
    attribute,
    computed,
    constant,
    input_of,
    is_not_negative,
    made_by,
    only_reader,
    remake,
    replace,
    shape_of,
)
from tests.onnx.normalise.models import parsed


def _graph(body: str, **weights: object) -> ir.Graph:
    return ir.from_proto(parsed(body, weights=weights)).graph


def test_what_is_read() -> None:
    graph = _graph("a = Clip(x, w) y = Softmax<axis=2>(a)", w=np.float32(1))
    clip, softmax = graph
    assert shape_of(clip.inputs[0]) == (1, 3, 8, 8)
    assert shape_of(clip.outputs[0]) is None
    assert array_of(clip.inputs[1]) == 1
    assert array_of(clip.inputs[0]) is None
    assert input_of(clip, 2) is None
    assert (attribute(softmax, "axis"), attribute(softmax, "none", 7)) == (2, 7)
    assert made_by(softmax.inputs[0], "Clip") is clip
    assert made_by(softmax.inputs[0], "Relu") is None
    assert only_reader(clip.outputs[0]) is softmax
    assert only_reader(softmax.outputs[0]) is None


def test_what_is_changed() -> None:
    graph = _graph("y = Relu(x)")
    (relu,) = graph
    added = computed(relu, "Add", [relu.inputs[0], constant(relu, 2.0, np.float32)], (1, 3, 8, 8))
    remake(relu, alpha=0.5)
    assert attribute(relu, "alpha") == 0.5
    remake(relu, alpha=None)
    assert attribute(relu, "alpha") is None
    replace(relu, added)
    assert [node.op_type for node in graph] == ["Add"]
    assert [value.name for value in graph.outputs] == ["y"]


def test_an_output_that_must_keep_two_names_has_an_identity() -> None:
    graph = _graph("y = Relu(x)")
    (relu,) = graph
    replace(relu, graph.inputs[0])
    assert [node.op_type for node in graph] == ["Identity"]
    assert [value.name for value in graph.outputs] == ["y"]


def test_what_is_never_below_zero() -> None:
    graph = _graph("a = Relu(x) b = MaxPool<kernel_shape=[2, 2]>(a) c = Clip(b, low) d = Neg(c)", low=np.float32(-1))
    relu, pool, clip, neg = graph
    assert [is_not_negative(node.outputs[0]) for node in (relu, pool, clip, neg)] == [True, True, False, False]
    assert not is_not_negative(relu.inputs[0])
    assert not is_not_negative(None)

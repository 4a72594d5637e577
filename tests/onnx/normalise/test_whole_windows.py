"""Pools that round up, with a window that would start in the padding behind the map."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import onnxruntime
import pytest

from rdpass.deploy.lowering import build, import_onnx, run_here
from rdpass.onnx.normalise.infer_shapes import infer_shapes
from rdpass.onnx.source import read_onnx
from rdpass.onnx.torch_module import load_onnx
from rdpass.targets.lookup import host_target
from tests.onnx.normalise.models import attributes, normalised, parsed

TOO_MANY = "kernel_shape=[3, 2], strides=[3, 3], ceil_mode=1"
"""On 5 x 12: the second window of the rows is not whole, and a fifth of the columns would start at 12."""


@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize("opset", [18, 22])
def test_a_window_behind_the_map_does_not_exist(pool: str, opset: int) -> None:
    model = parsed(f"y = {pool}<{TOO_MANY}>(x)", "float[1, 3, 5, 12] x", "float[] y", opset)
    found = attributes(normalised(model), pool)
    assert (found.get("ceil_mode", 0), list(found["pads"])) == (0, [0, 0, 1, 0])


@pytest.mark.parametrize("declared", ["float[1, 3, 2, 4] y", "float[1, 3, 2, 5] y", "float[] y"])
def test_its_shape_is_what_runs_whatever_is_declared(declared: str) -> None:
    model = parsed(f"a = MaxPool<{TOO_MANY}>(x) y = Relu(a)", "float[1, 3, 5, 12] x", declared, 18)
    before = model.SerializeToString()
    graph = infer_shapes(model, strict=True).graph
    assert model.SerializeToString() == before
    shapes = [[d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.value_info, *graph.output)]
    assert shapes == [[1, 3, 2, 4]] * 2


def test_without_padding_by_its_rule_too() -> None:
    """As for pads of 0. SAME has such windows where kernels are smaller than strides alone, which no file can run."""
    model = parsed(f'y = MaxPool<{TOO_MANY}, auto_pad="VALID">(x)', "float[1, 3, 5, 12] x", "float[] y", 18)
    inferred = infer_shapes(model).graph.output[0].type.tensor_type.shape.dim
    assert [extent.dim_value for extent in inferred] == [1, 3, 2, 4]
    assert "ceil_mode" not in attributes(normalised(model), "MaxPool")


def test_one_that_rounds_up_to_windows_that_exist_stays() -> None:
    model = parsed("y = MaxPool<kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1>(x)", "float[1, 3, 8, 8] x")
    assert normalised(model).model == model


@pytest.mark.parametrize("pads", ["0, 0, 0, 0", "1, 1, 1, 1", "0, 1, 1, 0"])
@pytest.mark.parametrize("counted", [0, 1])
def test_averages_count_the_padding_that_was_given_and_no_more(pads: str, counted: int) -> None:
    """Held by ONNX Runtime for every pair of small sizes."""
    for size in itertools.product((6, 7, 8), (11, 12)):
        words = f"kernel_shape=[3, 2], strides=[3, 3], ceil_mode=1, pads=[{pads}], count_include_pad={counted}"
        normalised(parsed(f"y = AveragePool<{words}>(x)", f"float[1, 3, {size[0]}, {size[1]}] x", "float[] y", 18))


@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
def test_both_readers_compute_it(pool: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    model = parsed(f"y = {pool}<{TOO_MANY}>(x)", "float[1, 3, 5, 12] x", "float[1, 3, 2, 5] y", 18)
    path = tmp_path / "pool.onnx"
    onnx.save(model, path)
    x = np.random.default_rng(0).standard_normal((1, 3, 5, 12), np.float32)
    (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    (built,) = run_here(build(import_onnx(read_onnx(path)), host_target()), [x])
    module, (example,) = load_onnx(path)
    read = module(example.new_tensor(x)).numpy()
    assert expected.shape == built.shape == read.shape == (1, 3, 2, 4)
    assert np.abs(built - expected).max() < 1e-6
    assert np.abs(read - expected).max() < 1e-6

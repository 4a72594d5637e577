import numpy as np
import onnx
import pytest

from rdpass.passes.quantize.fidelity import fidelity, outputs_of
from rdpass.passes.quantize.moments import take_moments
from rdpass.passes.quantize.prepare import prepare
from rdpass.passes.quantize.qdq_graph import QdqGraph
from rdpass.passes.quantize.round_weights import round_weights, with_rounded
from rdpass.passes.quantize.widen_diagonal import widen_diagonals
from tests.passes.quantize.nets import images, plain_student, quantised, residual

STUDENT, BLOCK = (1, 3, 9, 9), (1, 3, 11, 9)


def rounded(model, placed, shape, count=48):
    moments = take_moments(model, images(shape, count, seed=1), lambda rows: None)
    return round_weights(placed, model, moments), moments


def sqnr_of(model, placed, shape):
    feeds = images(shape, 24, seed=2)
    return fidelity(outputs_of(placed, feeds), outputs_of(model, feeds)).sqnr


@pytest.mark.parametrize(("build", "shape", "gain"), [(plain_student, STUDENT, 2.0), (residual, BLOCK, -0.5)])
def test_outputs_are_nearer_to_the_float_networks_on_other_images(build, shape, gain):
    model = prepare(build())
    nearest = quantised(model)
    before = nearest.SerializeToString()
    better = with_rounded(nearest, rounded(model, nearest, shape)[0])
    assert nearest.SerializeToString() == before
    onnx.checker.check_model(better, full_check=True)
    assert sqnr_of(model, better, shape) > sqnr_of(model, nearest, shape) + gain


def test_every_layer_costs_less_by_its_moments_and_keeps_its_scales_and_types():
    model = prepare(residual())
    nearest = quantised(model)
    found, moments = rounded(model, nearest, BLOCK)
    floats = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    graph, better = QdqGraph(nearest.graph), QdqGraph(with_rounded(nearest, found).graph)
    layers = {node.name: node for node in nearest.graph.node}
    assert len(found) == 5
    for name, of in found.items():
        stored = graph.integers(layers[name].input[1])
        again = better.integers(layers[name].input[1])
        assert (again.values.dtype, again.values.shape) == (np.int8, stored.values.shape)
        np.testing.assert_array_equal(again.scale, stored.scale)
        np.testing.assert_array_equal(again.values, of.integers)
        assert np.abs(again.values.astype(int)).max() <= 127
        original = next(node for node in model.graph.node if node.name == name)
        weights = floats[original.input[1]]
        axis = (
            1 if original.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in original.attribute) else 0
        )
        costs = [
            cost_of(weights, found_.values, found_.scale, axis, moments[name].square) for found_ in (stored, again)
        ]
        assert costs[1] <= costs[0] * 1.0001


def cost_of(weights, integers, scale, axis, square):
    shape = [-1 if index == axis else 1 for index in range(weights.ndim)]
    error = weights - integers * (scale.reshape(shape) if scale.ndim else scale)
    error = error.T if axis else error
    flat = error.reshape(len(square), -1, square.shape[-1])
    return float(np.einsum("gok,gkl,gol->", flat, square, flat))


def test_a_wide_diagonal_stays_wide_and_the_rest_narrow():
    model = prepare(plain_student())
    wide, widened = widen_diagonals(quantised(model), model)
    better = with_rounded(wide, rounded(model, wide, STUDENT)[0])
    graphs = QdqGraph(wide.graph), QdqGraph(better.graph)
    for layer in widened:
        before, after = (
            graph.integers(next(n for n in graph.graph.node if n.name == layer.layer).input[1]).values.astype(int)
            for graph in graphs
        )
        np.testing.assert_array_equal(np.abs(after) > 127, np.abs(before) > 127)
    assert sqnr_of(model, better, STUDENT) > sqnr_of(model, wide, STUDENT) - 0.5


def test_layers_of_other_scales_and_those_in_float_are_left_alone():
    model = prepare(plain_student())
    whole = quantised(model)
    found, _ = rounded(model, whole, STUDENT)
    wide, widened = widen_diagonals(whole, model)
    better = QdqGraph(with_rounded(wide, found).graph)
    for layer in widened:
        node = next(node for node in wide.graph.node if node.name == layer.layer)
        np.testing.assert_array_equal(
            better.integers(node.input[1]).values, QdqGraph(wide.graph).integers(node.input[1]).values
        )
    kept = quantised(model, keep=[node.name for node in model.graph.node])
    assert with_rounded(kept, found) == kept


def test_blocks_change_nothing_but_the_order_of_sums(monkeypatch):
    model = prepare(plain_student())
    nearest = quantised(model)
    whole, moments = rounded(model, nearest, STUDENT)
    monkeypatch.setattr("rdpass.passes.quantize.round_weights.BLOCK", 7)
    for name, of in round_weights(nearest, model, moments).items():
        assert (of.integers != whole[name].integers).mean() < 0.01


def test_what_no_input_ever_shows_is_rounded_to_the_nearest():
    model = prepare(plain_student(1))
    nearest = quantised(model)
    _, moments = rounded(model, nearest, STUDENT)
    silent = {name: type(m)(m.square * 0, m.mean * 0) for name, m in moments.items()}
    for name, of in round_weights(nearest, model, silent).items():
        node = next(node for node in nearest.graph.node if node.name == name)
        np.testing.assert_array_equal(of.integers, QdqGraph(nearest.graph).integers(node.input[1]).values)
        assert not of.shift.any()

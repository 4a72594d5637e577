import numpy as np
import pytest

from rdpass.onnx.oracle import Session
from rdpass.passes.quantize import moments
from rdpass.passes.quantize.histograms import with_outputs
from rdpass.passes.quantize.layers import weighted_layers
from rdpass.passes.quantize.moments import take_moments
from rdpass.passes.quantize.prepare import prepare
from tests.onnx.nets import Net
from tests.passes.quantize.nets import images, residual


def test_the_square_of_a_layers_errors_is_what_the_moments_say():
    model, feeds, steps = prepare(residual()), images((1, 3, 11, 9), 4), []
    found = take_moments(model, feeds, steps.append)
    layers = weighted_layers(model)
    assert steps == [1] * 4
    assert found.keys() == {layer.name for layer in layers}
    random = np.random.default_rng(3)
    session = Session(with_outputs(model, [layer.input[0] for layer in layers]))
    for layer in layers:
        shape = next(tuple(t.dims) for t in model.graph.initializer if t.name == layer.input[1])
        error = random.standard_normal(shape).astype(np.float32)
        transposed = layer.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in layer.attribute)
        rows = error.T if transposed else error
        sums = run_layer(layer, error, [session.named(feed)[layer.input[0]] for feed in feeds])
        flat = rows.reshape(len(found[layer.name].square), -1, found[layer.name].square.shape[-1])
        told = np.einsum("gok,gkl,gol->go", flat, found[layer.name].square, flat).reshape(-1)
        np.testing.assert_allclose(told, (sums**2).mean(0), rtol=1e-3)
        np.testing.assert_allclose(
            np.einsum("gok,gk->go", flat, found[layer.name].mean).reshape(-1), sums.mean(0), atol=1e-4
        )


def run_layer(layer, weights, inputs):
    """Outputs (rows, filters) of a layer alone with such weights and no bias, for all windows."""
    net = Net(*(x.shape for x in inputs))
    attributes = {a.name: list(a.ints) if a.ints else a.i for a in layer.attribute}
    attributes = {name: value for name, value in attributes.items() if name not in ("auto_pad", "alpha", "beta")}
    given = net.constant(weights)
    outputs = [net.node(layer.op_type, f"x{index}", given, **attributes) for index in range(len(inputs))]
    found = Session(net.model(*outputs)).run(inputs)
    return np.concatenate([np.moveaxis(y, 1, -1).reshape(-1, y.shape[1]) for y in found])


def test_windows_are_drawn_where_there_are_many_and_repeat(monkeypatch):
    monkeypatch.setattr(moments, "WINDOWS", 7)
    model, feeds = prepare(residual()), images((1, 3, 11, 9), 3)
    first, second = (take_moments(model, feeds, lambda rows: None) for _ in range(2))
    assert all((first[name].square == second[name].square).all() for name in first)


def test_layers_of_very_long_sums_are_left_out(monkeypatch):
    monkeypatch.setattr(moments, "LARGEST", 36)
    found = take_moments(prepare(residual()), images((1, 3, 11, 9), 1), lambda rows: None)
    lengths = {found[name].square.shape[-1] for name in found}
    assert max(lengths) <= 36
    assert len(found) == 4  # all but one of 8 to 8 channels, 3x3


@pytest.mark.parametrize("count", [1, 5])
def test_many_rows_are_taken_together(monkeypatch, count):
    model, feeds = prepare(residual()), images((1, 3, 11, 9), 3)
    wanted = take_moments(model, feeds, lambda rows: None)
    monkeypatch.setattr(moments, "AT_ONCE", count)
    found = take_moments(model, feeds, lambda rows: None)
    for name in wanted:
        np.testing.assert_allclose(found[name].square, wanted[name].square, rtol=1e-4, atol=1e-6)

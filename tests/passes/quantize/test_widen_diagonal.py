import numpy as np
import onnx
import pytest
from onnx.numpy_helper import to_array

from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.oracle import run_onnx
from rdpass.passes.quantize.fidelity import fidelity, outputs_of
from rdpass.passes.quantize.prepare import prepare
from rdpass.passes.quantize.qdq_graph import QdqGraph
from rdpass.passes.quantize.widen_diagonal import diagonal_of, widen_diagonals
from tests.onnx.nets import Net
from tests.onnx.qdq import fused_run
from tests.passes.quantize.nets import images, plain_student, quantised, residual

SHAPE = (1, 3, 9, 9)


def test_a_plain_students_outputs_gain_as_much_as_float_weights_would_give():
    model = prepare(plain_student())
    narrow = quantised(model)
    before = narrow.SerializeToString()
    wide, widened = widen_diagonals(narrow, model)
    assert narrow.SerializeToString() == before
    onnx.checker.check_model(wide, full_check=True)
    feeds = images(SHAPE, 8, seed=1)
    expected = outputs_of(model, feeds)
    gained = fidelity(outputs_of(wide, feeds), expected).sqnr - fidelity(outputs_of(narrow, feeds), expected).sqnr
    assert gained > 2
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    assert [layer.layer for layer in widened] == [node.name for node in convs[1:]]  # the stem holds no identity
    assert min(layer.gain for layer in widened) > 12


def test_all_but_the_diagonal_fit_eight_bits_on_one_scale_a_filter():
    model = prepare(plain_student())
    wide, widened = widen_diagonals(quantised(model), model)
    graph = QdqGraph(wide.graph)
    names = {layer.layer for layer in widened}
    weights = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
    for node in [node for node in wide.graph.node if node.name in names]:
        found = graph.integers(node.input[1])
        rest = found.values.astype(int)
        diagonal = diagonal_of(rest, 1)
        assert found.values.dtype == np.int16
        assert (np.abs(rest[diagonal]) > 127).all()
        rest[diagonal] = 0
        assert (np.abs(rest).reshape(8, -1).max(1) == 127).all()
        original = weights[next(n.input[1] for n in model.graph.node if n.name == node.name)]
        scale = found.scale.reshape(-1, 1, 1, 1)
        assert (np.abs(found.values * scale - original) <= 0.5001 * scale).all()


def test_onnxruntime_and_the_integer_oracle_compute_the_same():
    model = prepare(plain_student())
    wide, _ = widen_diagonals(quantised(model), model)
    step = np.float32(QdqGraph(wide.graph).activation_scale(wide.graph.output[0].name))
    for feed in images(SHAPE, 4, seed=2):
        (exact,) = integer_run(wide, feed)
        for (other,) in (run_onnx(wide, feed), fused_run(wide, feed)):
            assert np.abs(exact - other).max() <= 1.01 * step


def test_a_network_without_folded_identities_stays_as_it_is():
    model = prepare(residual())
    narrow = quantised(model)
    wide, widened = widen_diagonals(narrow, model)
    assert widened == ()
    assert [node.op_type for node in wide.graph.node] == [node.op_type for node in narrow.graph.node]


def test_a_layer_that_was_kept_in_float_is_left_alone():
    model = prepare(plain_student(2))
    kept = [node.name for node in model.graph.node if node.op_type == "Conv"][1]
    _, widened = widen_diagonals(quantised(model, keep=[kept]), model)
    assert kept not in {layer.layer for layer in widened}
    assert len(widened) == 1


@pytest.mark.parametrize(
    ("shape", "groups", "wanted"),
    [
        ((4, 4, 3, 3), 1, [(0, 0), (1, 1), (2, 2), (3, 3)]),
        ((4, 2, 3, 5), 2, [(0, 0), (1, 1), (2, 0), (3, 1)]),
        ((3, 1, 3, 3), 3, [(0, 0), (1, 0), (2, 0)]),
    ],
)
def test_the_diagonal_is_each_filters_own_channel(shape, groups, wanted):
    found = diagonal_of(np.zeros(shape), groups)
    assert list(zip(*found[:2], strict=True)) == wanted
    assert {tuple(place) for place in zip(*found[2:], strict=True)} == {(shape[2] // 2, shape[3] // 2)}


def test_other_shapes_have_none():
    assert diagonal_of(np.zeros((8, 4, 3, 3)), 1) is None
    assert diagonal_of(np.zeros((4, 4, 2, 3)), 1) is None


def test_a_large_bias_makes_the_scale_coarser_rather_than_overflow():
    net = Net((1, 4, 3, 3))
    weights = net.random.standard_normal((4, 4, 1, 1)).astype(np.float32) * 1e-7
    weights[range(4), range(4)] = 1e-4
    bias = np.array([1e3, -1e3, 0, 1], np.float32)
    model = prepare(net.model(net.node("Conv", "x0", net.constant(weights), net.constant(bias))))
    wide, widened = widen_diagonals(quantised(model), model)
    found = [QdqGraph(wide.graph).integers(name) for node in wide.graph.node if node.op_type == "Conv"
             for name in node.input[2:]]  # fmt: skip
    for entry in found:
        np.testing.assert_allclose(entry.values * entry.scale.astype(np.float64), bias, atol=1e-3)
    assert len(widened) <= 1

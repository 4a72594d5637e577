import numpy as np
import onnx
import pytest

from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.oracle import run_onnx
from rdpass.passes.quantize.prepare import prepare
from rdpass.passes.quantize.qdq_graph import QdqGraph
from rdpass.passes.quantize.split_diagonal import join_diagonals, split_diagonals
from rdpass.passes.quantize.widen_diagonal import widen_diagonals
from tests.onnx.nets import Net
from tests.passes.quantize.nets import images, plain_student, quantised, residual

SHAPE = (1, 8, 9, 9)


def layer(pad=1, stride=1, groups=1, kernel=3, bias=True, dilation=1):
    """One convolution with a folded identity, its diagonal wide."""
    net = Net(SHAPE)
    weights = net.random.standard_normal((8, 8 // groups, kernel, kernel)) / 60
    weights[range(8), np.arange(8) % (8 // groups), kernel // 2, kernel // 2] += 0.9
    given = [net.constant(weights.astype(np.float32)), *([net.numbers(8)] if bias else [])]
    y = net.node("Conv", "x0", *given, kernel_shape=[kernel] * 2, pads=[pad] * 4, strides=[stride] * 2, group=groups,
                 dilations=[dilation] * 2)  # fmt: skip
    model = prepare(net.model(net.relu(y)))
    wide, widened = widen_diagonals(quantised(model), model)
    assert len(widened) == 1
    return wide


def kinds(model):
    graph = QdqGraph(model.graph)
    return sorted(
        str(graph.integers(node.input[1]).values.dtype) for node in model.graph.node if node.op_type == "Conv"
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"stride": 2}, {"groups": 2}, {"kernel": 5, "pad": 2}, {"bias": False}, {"pad": 2, "dilation": 2},
     {"kernel": 1, "pad": 0}],
    ids=str,
)  # fmt: skip
def test_both_forms_compute_the_same_integers_and_one_gives_the_other(options):
    wide = layer(**options)
    before = wide.SerializeToString()
    split = split_diagonals(wide)
    assert wide.SerializeToString() == before
    onnx.checker.check_model(split, full_check=True)
    assert kinds(split) == ["int16", "int8"]
    (rest,) = [
        QdqGraph(split.graph).integers(node.input[1]).values
        for node in split.graph.node
        if node.op_type == "Conv" and node.output[0].endswith("_rest")
    ]
    assert np.abs(rest.astype(int)).max() == 127
    joined = join_diagonals(split)
    onnx.checker.check_model(joined, full_check=True)
    assert kinds(joined) == ["int16"]
    for feed in images(SHAPE, 2):
        (exact,) = integer_run(wide, feed)
        assert np.ptp(exact) > 0
        np.testing.assert_array_equal(integer_run(split, feed)[0], exact)
        np.testing.assert_array_equal(integer_run(joined, feed)[0], exact)
    graphs = QdqGraph(wide.graph), QdqGraph(joined.graph)
    before_and_after = [graph.integers(next(n for n in graph.graph.node if n.op_type == "Conv").input[1])
                        for graph in graphs]  # fmt: skip
    np.testing.assert_array_equal(*(found.values for found in before_and_after))
    np.testing.assert_array_equal(*(found.scale for found in before_and_after))


def test_onnxruntime_computes_the_split_form_too():
    split = split_diagonals(layer())
    step = float(QdqGraph(split.graph).activation_scale(split.graph.output[0].name))
    for feed in images(SHAPE, 2):
        assert np.abs(integer_run(split, feed)[0] - run_onnx(split, feed)[0]).max() <= 1.01 * step


def test_a_layer_whose_padding_would_be_cut_stays_joined():
    wide = layer(pad=0)
    split = split_diagonals(wide)
    assert kinds(split) == ["int16"]
    assert split.graph.node == wide.graph.node


def test_a_whole_student_goes_there_and_back():
    model = prepare(plain_student())
    wide, widened = widen_diagonals(quantised(model), model)
    split = split_diagonals(wide)
    back = join_diagonals(split)
    assert kinds(split).count("int16") == len(widened) == 4
    assert kinds(back) == kinds(wide)
    for feed in images((1, 3, 9, 9), 2):
        exact = integer_run(wide, feed)[0]
        np.testing.assert_array_equal(integer_run(split, feed)[0], exact)
        np.testing.assert_array_equal(integer_run(back, feed)[0], exact)


def test_adds_of_other_kinds_are_left_alone():
    model = quantised(prepare(residual()))
    assert join_diagonals(model).graph.node == model.graph.node
    assert split_diagonals(model).graph.node == model.graph.node

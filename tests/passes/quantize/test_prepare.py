import numpy as np
import onnx
import pytest
from onnx.numpy_helper import from_array, to_array

from rdpass.core.errors import ConfigError
from rdpass.onnx.oracle import run_onnx
from rdpass.passes.quantize.prepare import OPSET, prepare
from tests.onnx.nets import Net
from tests.passes.quantize.nets import plain_student, quantised


def normed():
    net = Net((1, 3, 8, 8))
    return net.model(net.relu(net.norm(net.conv("x0", 3, 4, 3), 4)))


def test_batch_norms_are_folded_names_given_and_the_numbers_kept():
    model = normed()
    before = model.SerializeToString()
    ready = prepare(model)
    assert model.SerializeToString() == before
    assert [node.op_type for node in ready.graph.node] == ["Conv", "Relu"]
    assert len({node.name for node in ready.graph.node}) == 2
    assert all(node.name for node in ready.graph.node)
    assert ready.opset_import[0].version == OPSET
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(run_onnx(ready, [x])[0], run_onnx(model, [x])[0], atol=1e-5)


def test_what_is_quantised_already_is_refused():
    with pytest.raises(ConfigError, match=r"quantised already: it has a (Deq|Q)uantizeLinear; give the float"):
        prepare(quantised(prepare(plain_student(1))))


def test_half_precision_is_refused():
    model = normed()
    model.graph.initializer[0].CopyFrom(
        from_array(to_array(model.graph.initializer[0]).astype(np.float16), model.graph.initializer[0].name)
    )
    with pytest.raises(ConfigError, match=r"numbers of 16 bits \(w0\)"):
        prepare(model)


def test_two_nodes_of_one_name_get_two():
    model = normed()
    for node in model.graph.node:
        node.name = "same"
    names = [node.name for node in prepare(model).graph.node]
    assert len(set(names)) == len(names)
    assert onnx.checker.check_model(prepare(model)) is None

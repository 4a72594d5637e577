"""A QDQ file as a network that can be trained computes what the file does, before training and after."""

import copy

import numpy as np
import onnx
import pytest
import torch

from rdpass.core.comparison import relative_error
from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.oracle import run_onnx
from rdpass.passes.quantize.fake_quantised import fake_quantised
from rdpass.passes.quantize.qdq_graph import QdqGraph
from rdpass.passes.quantize.widen_diagonal import widen_diagonals
from tests.onnx.nets import Net
from tests.passes.quantize.nets import images, plain_student, prepared, quantised, residual

EQUAL = 1e-6
"""Of float64 against integers: no number lay so near to a half that they part."""


def size(model):
    return tuple(d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim)


def moved(found, steps):
    """Move all that is learnt by up to so many steps of an integer, as a training would."""
    generator = torch.Generator().manual_seed(3)
    for parameter in found.parameters():
        unit = 127.0 if parameter.ndim > 1 else 127.0**2
        with torch.no_grad():
            parameter += (torch.rand(parameter.shape, generator=generator) - 0.5) * 2 * steps / unit


def errors(found, model):
    """In float32 and in float64, against the integers of the file."""
    doubled = copy.deepcopy(found.module).double()
    for feed in images(size(model), 4, seed=9):
        exact = integer_run(model, feed)[0]
        with torch.no_grad():
            single, double = (each(torch.from_numpy(feed[0]).to(kind)).numpy()
                              for each, kind in ((found.module, torch.float32), (doubled, torch.float64)))  # fmt: skip
        yield relative_error(single, exact), relative_error(double, exact)


def turned_and_shared():
    """A convolution used twice, dense layers both ways round, a transposed convolution, a slope that stays in float."""
    net = Net((2, 4, 6, 6))
    weights, bias = net.numbers(4, 4, 3, 3), net.numbers(4)
    x = net.node("Conv", "x0", weights, bias, kernel_shape=[3, 3], pads=[1] * 4)
    x = net.node("PRelu", x, net.constant(np.float32([[[0.1]], [[0.2]], [[0.3]], [[0.4]]])))
    x = net.relu(net.node("Conv", x, weights, bias, kernel_shape=[3, 3], pads=[1] * 4))
    x = net.relu(
        net.node("ConvTranspose", x, net.numbers(4, 3, 2, 2), net.numbers(3), kernel_shape=[2, 2], strides=[2, 2])
    )
    x = net.node("Flatten", net.node("GlobalAveragePool", x))
    x = net.relu(net.node("Gemm", x, net.numbers(3, 5), net.numbers(5)))
    return net.model(net.node("Gemm", x, net.numbers(6, 5), net.numbers(6), transB=1))


MODELS = [plain_student, residual, turned_and_shared]


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("activations", ["u8", "s8"])
def test_the_network_computes_what_the_file_does_before_and_after_it_was_moved(make, activations):
    model = quantised(prepared(make()), activations)
    before = model.SerializeToString()
    found = fake_quantised(model, "net")
    assert found.stored(model).SerializeToString() == before
    assert max(double for _, double in errors(found, model)) < EQUAL
    moved(found, 2.0)
    changed = found.stored(model)
    assert max(double for _, double in errors(found, changed)) < EQUAL
    single = max(single for single, _ in errors(found, model))
    assert single > 1e-3  # the file that it was is another
    onnx.checker.check_model(changed, full_check=True)
    assert model.SerializeToString() == before


def test_in_single_precision_it_is_what_onnx_runtime_computes():
    model = quantised(prepared(plain_student()))
    found = fake_quantised(model, "net")
    for feed in images(size(model), 4):
        with torch.no_grad():
            assert relative_error(found.module(torch.from_numpy(feed[0])).numpy(), run_onnx(model, feed)[0]) < 0.01


def test_integers_stay_within_their_range_however_far_a_training_goes():
    model = quantised(prepared(plain_student()))
    found = fake_quantised(model, "net")
    with torch.no_grad():
        for parameter in found.parameters():
            parameter *= 40.0
    graph = QdqGraph(found.stored(model).graph)
    weights = [graph.integers(node.input[1]).values for node in graph.graph.node if node.op_type == "Conv"]
    assert all(each.dtype == np.int8 and np.abs(each.astype(int)).max() == 127 for each in weights)


def test_a_shared_constant_is_learnt_once():
    model = quantised(prepared(turned_and_shared()))
    found = fake_quantised(model, "net")
    by_constant = {}
    for each in found.learnt:
        by_constant.setdefault(each.constant, []).append(each.path)
    assert sorted(map(len, by_constant.values()))[-1] == 2
    assert len(found.parameters()) == len(by_constant)


def test_everything_but_weights_and_biases_stays_as_it_is():
    found = fake_quantised(quantised(prepared(turned_and_shared())), "net")
    learnt = {id(parameter) for parameter in found.parameters()}
    others = [p for p in found.module.parameters() if id(p) not in learnt]
    assert all(parameter.requires_grad for parameter in found.parameters())
    assert not any(parameter.requires_grad for parameter in others)
    found.module(torch.randn(2, 4, 6, 6)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in found.parameters())


def test_batches_of_any_size_go_through():
    model = quantised(prepared(plain_student()))
    module = fake_quantised(model, "net").module
    rows = torch.cat([torch.from_numpy(feed[0]) for feed in images(size(model), 3)])
    with torch.no_grad():
        assert torch.allclose(module(rows), torch.cat([module(row[None]) for row in rows]), atol=1e-5)


def test_a_wide_diagonal_may_move_within_its_sixteen_bits_and_nothing_else_may():
    floats = prepared(plain_student())
    model, widened = widen_diagonals(quantised(floats), floats)
    assert widened
    found = fake_quantised(model, "net")
    assert max(double for _, double in errors(found, model)) < EQUAL
    with torch.no_grad():
        for parameter in found.parameters():
            parameter *= 1.5
    graph = QdqGraph(found.stored(model).graph)
    wide = next(graph.integers(node.input[1]).values.copy() for node in graph.graph.node
                if node.op_type == "Conv" and node.name == widened[0].layer)  # fmt: skip
    diagonal = np.arange(len(wide))
    assert np.abs(wide[diagonal, diagonal, 1, 1].astype(int)).max() > 127
    wide[diagonal, diagonal, 1, 1] = 0
    assert np.abs(wide.astype(int)).max() <= 127

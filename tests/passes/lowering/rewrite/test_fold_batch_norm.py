"""Batch norms of networks that others exported: gone where a convolution can take them in, right everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
from tvm import relax

from rdpass.deploy.lowering import import_onnx
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.rewrite.fold_batch_norm import FoldBatchNorm
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import kinds_of, lower_checked


def folded(net: Net, *outputs: str) -> list[str]:
    """The operators left when the batch norms have gone where they can; the module given is as it was."""
    module = import_onnx(read_onnx(net.model(*outputs)))
    before = module.script()
    kept = tvm.transform.Sequential(
        [relax.transform.CanonicalizeBindings(), relax.transform.FoldConstant(), FoldBatchNorm()]
    )(module)
    relax.analysis.well_formed(kept)  # raises where it is not
    assert module.script() == before
    calls = [binding.value for block in kept["main"].body.blocks for binding in block.bindings]
    return [
        call.op.name.removeprefix("relax.")
        for call in calls
        if isinstance(call, relax.Call) and isinstance(call.op, tvm.ir.Op)
    ]


CONVOLUTIONS = {
    "without a bias": lambda net: net.conv("x0", 6, 10, 3, bias=False),
    "with a bias": lambda net: net.conv("x0", 6, 10, 3),
    "strided, in groups": lambda net: net.conv("x0", 6, 10, 3, stride=2, groups=2),
    "pointwise": lambda net: net.conv("x0", 6, 10),
    "transposed": lambda net: net.transposed("x0", 6, 10, (2, 2), strides=[2, 2]),
    "transposed, in groups": lambda net: net.transposed("x0", 6, 10, (2, 2), strides=[2, 2], group=2),
}


@pytest.mark.parametrize("form", CONVOLUTIONS)
def test_a_batch_norm_behind_a_convolution_is_in_its_weights(form: str) -> None:
    net = Net((1, 6, 9, 7))
    y = net.relu(net.norm(CONVOLUTIONS[form](net), 10, epsilon=1e-3))
    assert "nn.batch_norm" not in folded(net, y)
    lower_checked(net, y)


def test_a_row_of_blocks_has_no_kernel_for_a_norm() -> None:
    net = Net((1, 3, 16, 16))
    x = net.relu(net.norm(net.conv("x0", 3, 16, 3), 16))
    y = net.norm(net.conv(x, 16, 16, 3, groups=16, bias=False), 16)
    y = net.norm(net.conv(net.relu(y), 16, 16), 16)
    _, called = lower_checked(net, net.node("GlobalAveragePool", net.relu(net.add(x, y))))
    assert [kind for kind in kinds_of(called) if kind == "scale"] == []


def test_a_one_dimensional_convolution_takes_it_in_too() -> None:
    net = Net((2, 6, 20))
    x = net.node("Conv", "x0", net.numbers(8, 6, 3), net.numbers(8), kernel_shape=[3], pads=[1, 1])
    y = net.relu(net.norm(x, 8))
    assert folded(net, y) == ["reshape", "nn.conv2d", "add", "nn.relu", "reshape"]
    lower_checked(net, y)


def test_convolutions_of_volumes_take_it_in_too() -> None:
    net = Net((1, 4, 5, 6, 7))
    x = net.node("Conv", "x0", net.numbers(6, 2, 3, 1, 2), net.numbers(6), kernel_shape=[3, 1, 2], group=2)
    x = net.relu(net.norm(x, 6))
    y = net.node("ConvTranspose", x, net.numbers(6, 4, 2, 2, 2), kernel_shape=[2, 2, 2], strides=[2, 2, 2], group=2)
    y = net.norm(y, 8)
    assert "nn.batch_norm" not in folded(net, y)
    lower_checked(net, y)


def test_a_convolution_that_something_else_reads_stays_what_it_is() -> None:
    net = Net((1, 6, 9, 7))
    x = net.conv("x0", 6, 10, 3)
    normed, beside = net.relu(net.norm(x, 10)), net.relu(x)
    assert folded(net, normed, beside).count("nn.batch_norm") == 1
    lower_checked(net, normed, beside)


def test_a_convolution_that_the_network_returns_stays_what_it_is() -> None:
    net = Net((1, 6, 9, 7))
    x = net.conv("x0", 6, 10, 3)
    y = net.norm(x, 10)
    assert folded(net, y, x).count("nn.batch_norm") == 1
    lower_checked(net, y, x)


def test_norms_in_a_row_go_together_and_one_of_the_input_keeps_its_value() -> None:
    net = Net((1, 6, 9, 7))
    x = net.norm(net.norm(net.conv(net.norm("x0", 6), 6, 10, 3), 10), 10)
    assert folded(net, x) == ["nn.batch_norm", "nn.conv2d", "add"]
    lower_checked(net, net.relu(x))


def test_statistics_that_are_inputs_are_not_folded() -> None:
    net = Net((1, 6, 9, 7), (10,), (10,), (10,), (10,))
    y = net.node("BatchNormalization", net.conv("x0", 6, 10, 3), "x1", "x2", "x3", "x4")
    assert "nn.batch_norm" in folded(net, y)


def test_a_variance_that_gives_no_number_is_left_to_say_so_itself() -> None:
    net = Net((1, 6, 9, 7))
    rows = [net.constant(np.full(10, value, np.float32)) for value in (1, 0, 0, -1)]
    y = net.node("BatchNormalization", net.conv("x0", 6, 10, 3), *rows)
    assert "nn.batch_norm" in folded(net, y)


def test_a_constant_that_is_not_one_number_a_channel_is_no_bias() -> None:
    net = Net((1, 6, 9, 7))
    x = net.add(net.conv("x0", 6, 10, 3, bias=False), net.numbers(1, 1, 9, 7))
    y = net.relu(net.norm(x, 10))
    assert "nn.batch_norm" in folded(net, y)
    lower_checked(net, y)

"""What computes in float16, what stays in float32, and where numbers are cast between."""

from __future__ import annotations

from typing import Any

import pytest
from tvm import relax

from rdpass.deploy.lowering import import_onnx, in_float16, lower_for
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.dataflow import operator_of, read_dataflow
from rdpass.targets.lookup import find_target
from tests.onnx.nets import Net

BOARD = find_target("rpi5")


def halved(net: Net, *outputs: str) -> tuple[Any, list[tuple[str, str]]]:
    """The module, and every operator with the type that it gives."""
    module = in_float16(import_onnx(read_onnx(net.model(*outputs))), BOARD)
    bindings = read_dataflow(module["main"]).bindings
    tensors = [(v, value) for v, value in bindings if operator_of(value) and isinstance(v.ty, relax.TensorType)]
    return module, [(operator_of(value), str(variable.ty.dtype)) for variable, value in tensors]


def small_net() -> tuple[Net, str]:
    net = Net((1, 3, 13, 11))
    x = net.relu(net.conv("x0", 3, 16, 3, stride=2))
    x = net.relu(net.add(net.conv(x, 16, 16, 3), x))
    return net, net.node("Flatten", net.node("GlobalAveragePool", x))


def test_layers_are_halved_and_the_ends_stay_as_they_were() -> None:
    net, end = small_net()
    module, found = halved(net, net.node("Gemm", end, net.numbers(16, 5), net.numbers(5)))
    assert {kind for name, kind in found if name == "relax.nn.conv2d"} == {"float16"}
    assert [name for name, kind in found if kind == "float32"] == ["relax.astype"]
    assert str(module["main"].params[0].ty.dtype) == str(module["main"].ret_ty.dtype) == "float32"


def test_a_softmax_computes_in_float32_between_casts() -> None:
    net, end = small_net()
    _, found = halved(net, net.node("Softmax", net.node("Gemm", end, net.numbers(16, 5), net.numbers(5))))
    at = next(index for index, (name, _) in enumerate(found) if "softmax" in name)
    assert found[at - 1] == ("relax.astype", "float32")
    assert found[at][1] == "float32"


def test_all_of_it_is_kernels_in_float16() -> None:
    net, end = small_net()
    module, _ = halved(net, net.node("Gemm", end, net.numbers(16, 5), net.numbers(5)))
    lowered = lower_for(module, BOARD)
    names = [v.name_hint for v in lowered.get_global_vars() if v.name_hint != "main"]
    assert {name.split("_")[0] for name in names if "cast" not in name} == {"f16"}
    assert any(name.startswith("f16_stem") for name in names)


def test_parts_of_a_split_and_a_concatenation_keep_their_type() -> None:
    net = Net((1, 16, 9, 7))
    parts = net.split(net.relu(net.conv("x0", 16, 32)), 16, 16)
    _, found = halved(net, net.node("Concat", *reversed(parts), axis=1))
    assert ("relax.concat", "float16") in found


def test_the_module_given_is_left_alone() -> None:
    net, end = small_net()
    module = import_onnx(read_onnx(net.model(end)))
    before = module.script()
    in_float16(module, BOARD)
    assert module.script() == before
    assert isinstance(module["main"], relax.Function)


@pytest.mark.parametrize("groups", [1, 8])
def test_transposed_layers_and_pools_are_halved(groups: int) -> None:
    net = Net((1, 16, 9, 7))
    x = net.node("MaxPool", net.conv("x0", 16, 16, 3, groups=groups), kernel_shape=[2, 2], strides=[2, 2])
    module, found = halved(net, net.transposed(x, 16, 16, (2, 2), strides=[2, 2]))
    assert not [name for name, kind in found if kind == "float32" and name != "relax.astype"]
    assert lower_for(module, BOARD)

"""Where a network of bytes begins and ends: the image quantised in the first layer, outputs dequantised once."""

import pytest

from tests.onnx.qdq import QdqNet
from tests.passes.lowering.quantised import called_exactly

LOWEST = {"uint8": 0, "int8": -128}
POOL = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}


def stem(net, channels=3, pool=True):
    return first_layer(net, net.quantised("x0", 0.02, 120), channels, pool)


def first_layer(net, x, channels=3, pool=True):
    x = net.layer(x, "Conv", (24, channels, 3, 3), 0, strides=[2, 2], pads=[1, 1, 1, 1])
    x = net.quantised(net.relu(x), 0.05, LOWEST[str(net.kind)])
    return net.quantised(net.node("MaxPool", x, **POOL), 0.05, LOWEST[str(net.kind)]) if pool else x


@pytest.mark.parametrize("pool", [False, True])
def test_a_stem_quantises_and_pools(pool):
    net = QdqNet((1, 3, 21, 19))
    names = called_exactly(net, stem(net, pool=pool), off=1e-3)
    assert names[0].startswith("u8_quantized_stem")
    assert len(names) == 2  # and the end
    assert ("pool3x3" in names[0]) == pool


def test_more_channels_than_an_image_has_are_quantised_by_themselves():
    net = QdqNet((1, 8, 21, 19))
    names = called_exactly(net, stem(net, 8), off=1e-3)
    assert [name.split("_")[:2] for name in names[:3]] == [["f32", "u8"], ["u8", "direct"], ["u8", "max"]]


def test_an_image_that_two_layers_read_is_quantised_once():
    net = QdqNet((1, 3, 21, 19))
    x = net.quantised("x0", 0.02, 120)
    ends = [net.quantised(net.layer(x, "Conv", (8, 3, 3, 3), 0), 0.05) for _ in range(2)]
    names = called_exactly(net, *ends, off=1e-3)
    assert sum("quantize_3x" in name for name in names) == 1


def test_outputs_are_dequantised_by_a_kernel():
    net = QdqNet((1, 20, 9, 7))
    x = net.quantised(net.layer(net.quantised("x0"), "Conv", (21, 20, 1, 1), 0))
    names = called_exactly(net, x)
    assert names[-1].startswith("u8_f32_dequantize")


@pytest.mark.parametrize(("kind", "zero"), [("uint8", 0), ("uint8", 131), ("int8", -7)])
@pytest.mark.parametrize("pool", [False, True])
def test_a_stem_takes_an_image_of_bytes_as_it_comes(kind, zero, pool):
    """Padding is the image's own zero, and bytes of the other sign are shifted."""
    net = QdqNet((1, 3, 21, 19), kind="int8")
    names = called_exactly(net, first_layer(net, net.image_of_bytes("x0", zero=zero, kind=kind), pool=pool))
    assert names[0].startswith("u8_quantized_stem")
    assert len(names) == 2


def test_two_layers_may_read_an_image_of_bytes():
    net = QdqNet((1, 3, 21, 19))
    x = net.image_of_bytes("x0")
    ends = [net.quantised(net.layer(x, "Conv", (8, 3, 3, 3), 0), 0.05) for _ in range(2)]
    names = called_exactly(net, *ends)
    assert sum("quantized_stem" in name for name in names) == 2


def test_more_channels_of_bytes_than_an_image_has_are_put_into_blocks():
    net = QdqNet((1, 8, 21, 19))
    names = called_exactly(net, first_layer(net, net.image_of_bytes("x0"), 8))
    assert [name.split("_")[0] for name in names] == ["blocked", "u8", "u8", "u8"]

"""Labels of nodes: a few characters on a chip, everything in a tooltip."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.report.drawing.labels import TIMES, chip_label, module_path, times, tooltip
from tests.models import Residual, basic_block, classifier, seeded

GIVES = f"gives {times((1, 64, 8, 8))}, 0.016 MB"


def label_of(layer, *shape):
    traced = trace(nn.Sequential(layer).eval(), torch.randn(*shape))
    node = next(node for node in traced.module.graph.nodes if node.op not in ("placeholder", "output"))
    return chip_label(traced.module, node)


@pytest.mark.parametrize(
    ("layer", "shape", "label"),
    [
        (nn.Conv2d(4, 64, 3), (1, 4, 8, 8), f"3{TIMES}3 64"),
        (nn.Conv2d(4, 8, (1, 5), stride=(2, 1), groups=2), (1, 4, 8, 8), f"1{TIMES}5/2 g2 8"),
        (nn.Conv2d(4, 4, 3, groups=4), (1, 4, 8, 8), f"3{TIMES}3 dw 4"),
        (nn.ConvTranspose2d(4, 6, 2, 2), (1, 4, 8, 8), f"up 2{TIMES}2/2 6"),
        (nn.Conv1d(4, 6, 5), (1, 4, 8), "5 6"),
        (nn.BatchNorm2d(4), (1, 4, 8, 8), "bn"),
        (nn.Linear(4, 10), (1, 4), "linear 10"),
        (nn.MaxPool2d(3), (1, 4, 8, 8), f"maxpool 3{TIMES}3"),
        (nn.AdaptiveAvgPool2d(1), (1, 4, 8, 8), "avgpool"),
        (nn.ReLU(), (1, 4, 8, 8), "relu"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_chip_says_kernel_stride_groups_and_channels(layer, shape, label):
    assert label_of(layer, *shape) == label


def nodes_of(model):
    traced = trace(seeded(lambda: model), torch.randn(1, 3, 8, 8))
    return traced.module, {node.name: node for node in traced.module.graph.nodes}


def test_an_add_is_a_plus_and_what_comes_in_is_the_input():
    module, nodes = nodes_of(classifier(basic_block(8, 8)))
    assert chip_label(module, nodes["add"]) == "+"
    assert chip_label(module, next(iter(nodes.values()))) == "input"


def test_a_tooltip_has_name_layer_shape_bytes_macs_and_part_and_no_empty_line():
    module, nodes = nodes_of(nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.ReLU()))
    first, second = (node for node in nodes.values() if node.op == "call_module")
    assert tooltip(module, first, "body of add").splitlines() == [
        "_0", "Conv2d(3, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))", GIVES,
        "0.11 M multiply-accumulates", "body of add",
    ]  # fmt: skip
    assert tooltip(module, second, "").splitlines() == ["_1", "ReLU()", GIVES]


def test_a_node_is_where_its_module_is_and_an_input_where_its_name_is():
    _, nodes = nodes_of(nn.Sequential(Residual(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1)))))
    paths = {name: module_path(node) for name, node in nodes.items()}
    assert paths["_0_body_0"] == "0.body.0"
    assert paths["add"] == "0"
    assert paths[next(iter(nodes))] == next(iter(nodes))


@pytest.mark.parametrize(("sizes", "said"), [((64, 56, 56), f"64{TIMES}56{TIMES}56"), ((7,), "7"), ((), "")])
def test_sizes_are_said_as_a_product(sizes, said):
    assert times(sizes) == said

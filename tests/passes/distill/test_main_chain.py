"""A body as a chain of convolutions with gates beside it, or the reason why it is none."""

import re

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.distill.main_chain import SqueezeGate, Unit, has_tap, main_chain
from tests.models import DenseConcat, PreActivation, Residual, Scaled, SqueezeExcite, basic_block, conv_bn, seeded


def chain_of(*layers):
    """The chain of the last region of a network, behind a stem."""
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 4, 1), *layers))
    traced = trace(model, torch.randn(1, 3, 8, 8))
    return main_chain(traced.module, plan_of(traced).regions[-1])


def test_a_convolution_goes_with_the_batch_norm_that_folds_into_it():
    chain = chain_of(basic_block(4, 4))
    assert chain.source == "_0"
    assert chain.units == (Unit("_1_body_0", "_1_body_1"), Unit("_1_body_3", "_1_body_4"))
    assert (chain.gates, chain.activations) == ((), ("_1_body_2",))


def test_before_a_batch_norm_of_its_own_a_chain_starts_at_what_the_first_convolution_reads():
    chain = chain_of(PreActivation(4))
    assert [unit.conv for unit in chain.units] == ["_1_conv1", "_1_conv2"]
    assert chain.units[0].output == "_1_bn2"
    assert chain.source != "_0"


def test_a_gate_is_named_with_its_place_and_the_layer_that_reads_the_map():
    body = nn.Sequential(*conv_bn(4, 4), SqueezeExcite(4), nn.ReLU(), *conv_bn(4, 4))
    chain = chain_of(Residual(body))
    (gate,) = chain.gates
    assert (gate.after, gate.reader, gate.factor) == (1, "_1_body_2_down", None)
    assert gate.gate == "_1_body_2_gate"


def test_a_product_with_a_number_is_a_gate_of_that_factor():
    chain = chain_of(Residual(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), Scaled(2.5), nn.Conv2d(4, 4, 1))))
    assert chain.gates == (SqueezeGate("mul", 1, None, 2.5),)


class Square(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.a(x) * self.b(x)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (nn.Sequential(nn.Conv2d(4, 4, 1), DenseConcat(4)), r"cat \(concat\) in the body"),
        (Square(), "the body branches at mul"),
        (nn.Sequential(nn.Conv2d(4, 4, 1), nn.ZeroPad2d(1), nn.Conv2d(4, 4, 3)), r"\(pad\) in the body"),
        (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4), nn.ReLU()), "no convolution in the body"),
    ],
)
def test_what_is_no_chain_is_refused_by_its_node(body, reason):
    found = chain_of(Residual(body))
    assert isinstance(found, str)
    assert re.search(reason, found)


@pytest.mark.parametrize(
    ("conv", "expected"),
    [
        (nn.Conv2d(4, 4, 3, 1, 1), True), (nn.Conv2d(4, 4, 3, 1, 2, dilation=2), True), (nn.Conv2d(4, 4, 1, 2), True),
        (nn.Conv2d(4, 4, 3), True), (nn.Conv2d(4, 4, 3, 1, 2), False), (nn.Conv2d(4, 4, 1, 1, 1), False),
        (nn.Linear(4, 4), False),
    ],
)  # fmt: skip
def test_a_tap_at_the_outputs_own_position_never_reads_beyond_the_input(conv, expected):
    assert has_tap(conv) is expected

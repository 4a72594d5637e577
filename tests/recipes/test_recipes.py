"""The trained recipes as a user meets them: plain students, from hostile blocks too."""

import copy
import pickle

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.analysis.shortcuts.check_plain import check_plain
from tests.models import (
    classifier,
    conv_bn,
    seeded,
)
from tests.recipes.nets import EXAMPLE, TRAINED, converted, hostile, three_stages
from tests.support import Untouched, error_between


@pytest.mark.parametrize("recipe", TRAINED)
def test_every_trained_recipe_ends_in_a_forward_of_convolutions_activations_pools_and_linear_layers(recipe):
    model = seeded(three_stages)
    before = Untouched(model)
    result = converted(model, recipe)
    assert [outcome.how for outcome in result.outcomes] == ["distilled"] * 3
    check_plain(result.student)
    x = torch.randn(4, 3, 8, 8)
    y = x
    for node in result.student.graph.nodes:  # by hand: layers in a row, nothing kept for later
        if node.op == "call_module":
            layer = result.student.get_submodule(node.target)
            assert isinstance(layer, nn.Conv2d | nn.ReLU | nn.AdaptiveAvgPool2d | nn.Flatten | nn.Linear)
            y = layer(y)
    assert torch.equal(y, result.student(x))
    before.check()


@pytest.mark.parametrize("recipe", TRAINED)
def test_every_trained_recipe_takes_hostile_blocks(recipe):
    model = seeded(hostile)
    before = Untouched(model)
    result = converted(model, recipe, lr=0.01)
    assert take_census(trace(result.student, EXAMPLE)) == ((), ())
    assert all(gate.error <= gate.tolerance for gate in result.gates)
    before.check()


def test_a_students_state_loads_into_a_freshly_converted_one_and_it_can_be_copied_and_pickled():
    model = seeded(hostile)
    first = converted(model, "migrate")
    second = converted(model, "migrate", lr=0.01)
    assert error_between(first.student, second.student, EXAMPLE) > 0
    second.student.load_state_dict(first.student.state_dict())
    for other in (second.student, copy.deepcopy(first.student), pickle.loads(pickle.dumps(first.student))):
        assert error_between(other, first.student, EXAMPLE) == 0


class LayerScaled(nn.Module):
    """Layer-scale of one part in a million beside an identity, and a block that a drop-path would skip at random."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*conv_bn(8, 8), nn.ReLU(), nn.Conv2d(8, 8, 1))
        self.gamma = nn.Parameter(torch.full((8,), 1e-6))

    def forward(self, x):
        return x + self.gamma.reshape(1, -1, 1, 1) * self.body(x)


@pytest.mark.parametrize("recipe", ["migrate", "joint", "kd"])
def test_layer_scale_is_folded_or_reset_so_that_the_signal_lives(recipe):
    model = seeded(lambda: classifier(LayerScaled(), LayerScaled(), classes=4))
    before = Untouched(model)
    result = converted(model, recipe)
    check_plain(result.student)
    a, b = result.student(torch.randn(1, 3, 8, 8)), result.student(torch.randn(1, 3, 8, 8))
    assert (a - b).abs().max() > 1e-5  # a folded scale would leave some 1e-15
    before.check()

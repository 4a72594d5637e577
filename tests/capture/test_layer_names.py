"""Layers of a saved program under the names they had before, those that shared their weights sharing them again."""

import pytest
import torch
from torch import nn

from rdpass.capture.layer_names import restore_layer_names
from rdpass.capture.programs import export_program, unpack_program
from rdpass.capture.trace import trace
from tests.models import SharedLayer, bottleneck, classifier, seeded, small_resnet
from tests.support import Untouched, error_between

X = torch.randn(2, 3, 8, 8)


def restored(model, x=X):
    """The program, what tracing it gives before the names are restored, and after."""
    program = unpack_program(export_program(model, (x,)))
    traced = trace(program, x).module
    before = Untouched(traced)
    named = restore_layer_names(program, traced)
    before.check()
    return traced, named


def layers(module):
    return [str(node.target) for node in module.graph.nodes if node.op == "call_module"]


@pytest.mark.parametrize(
    "build",
    [small_resnet, lambda: classifier(bottleneck(4, 4, groups=2), bottleneck(4, 4, out=8, stride=2))],
    ids=["basic blocks", "bottlenecks"],
)
def test_every_layer_with_weights_is_where_the_model_has_it_and_computes_the_same(build):
    model = seeded(build)
    traced, named = restored(model)
    own = {name for name, module in model.named_modules() if next(module.parameters(False), None) is not None}
    assert {name for name in layers(named) if next(named.get_submodule(name).parameters(), None) is not None} <= own
    assert len(layers(named)) == len(layers(traced))
    assert error_between(named, model, torch.randn(3, 3, 8, 8)) <= 1e-5


def test_a_layer_that_is_called_twice_is_one_again():
    model = seeded(lambda: classifier(SharedLayer(), channels=4))
    _, named = restored(model)
    paths = [name for name in layers(named) if isinstance(named.get_submodule(name), nn.Conv2d)]
    assert len(paths) > len(set(paths))


def test_equal_weights_of_two_layers_keep_the_names_in_their_order():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1))
    for layer in (model[2], model[4]):
        layer.load_state_dict(model[0].state_dict())
    _, named = restored(model)
    convolutions = [name for name in layers(named) if isinstance(named.get_submodule(name), nn.Conv2d)]
    assert convolutions == ["0", "2", "4"]


def test_what_is_not_in_the_graph_is_not_in_the_module():
    _, named = restored(seeded(small_resnet))
    used = set(layers(named))
    holders = {name for name, module in named.named_modules() if next(module.parameters(False), None) is not None}
    assert holders <= used

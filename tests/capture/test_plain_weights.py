"""Weights of the copy are stored: the same numbers, and the model as it was."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from rdpass.capture.plain_copy import plain_copy
from tests.support import Untouched, error_between

X = torch.randn(2, 3, 6, 5)


class Halved(nn.Module):
    def forward(self, weight):
        return weight / 2


def halved(layer):
    parametrize.register_parametrization(layer, "weight", Halved())
    parametrize.register_parametrization(layer, "bias", Halved())
    return layer


def pruned(layer):
    prune.l1_unstructured(layer, "weight", 0.4)
    prune.random_unstructured(layer, "weight", 0.2)
    return prune.l1_unstructured(layer, "bias", 1)


FORMS = {
    "weight norm": lambda layer: parametrizations.weight_norm(layer),
    "spectral norm": lambda layer: parametrizations.spectral_norm(layer),
    "weight norm of hooks": lambda layer: nn.utils.weight_norm(layer),
    "spectral norm of hooks": lambda layer: nn.utils.spectral_norm(layer),
    "two parametrizations": halved,
    "pruning, twice": pruned,
    "none": lambda layer: layer,
}


def network(form):
    torch.manual_seed(0)
    first, last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 3, 1, bias=False)
    model = nn.Sequential(FORMS[form](first), nn.BatchNorm2d(4), nn.ReLU(), last)
    for _ in range(5):  # the power iteration of spectral norms
        model(X)
    return model


@pytest.mark.parametrize("form", FORMS)
def test_the_copy_computes_what_the_model_does_in_eval_mode_from_weights_that_are_stored(form):
    model = network(form).train()
    before = Untouched(model)
    copied = plain_copy(model).module
    before.check()
    assert not any(module.training for module in copied.modules())
    assert isinstance(copied[0].weight, nn.Parameter)
    assert type(copied[0]) is nn.Conv2d
    assert not copied[0]._forward_pre_hooks
    assert sorted(name for name, _ in copied.named_parameters()) == sorted(
        name for name, _ in network("none").named_parameters()
    )
    assert error_between(copied, model, X) <= 1e-6


@pytest.mark.parametrize("form", FORMS)
def test_a_weight_that_is_folded_into_the_copy_stays_folded(form):
    model = network(form)
    copied = plain_copy(model).module
    with torch.no_grad():
        copied[0].weight.zero_()
        wanted = copied[3](torch.relu(copied[1](copied[0].bias.reshape(1, -1, 1, 1).expand(2, 4, 4, 3))))
        assert torch.allclose(copied(X), wanted, atol=1e-6)
    assert model.eval()(X).abs().max() > 0


def test_layers_that_share_their_weights_share_them_in_the_copy():
    layer = nn.Conv2d(3, 3, 1)
    copied = plain_copy(nn.Sequential(layer, nn.ReLU(), layer)).module
    assert copied[0] is copied[2]
    assert copied[0] is not layer

"""Hooks: those that watch are dropped and leave no symbols behind, those that change numbers are followed."""

import copy

import pytest
import torch
from torch import Tensor, nn

import rdpass
from rdpass.capture.hooks import drop_observers, is_changed
from rdpass.capture.trace import trace
from tests.models import seeded, small_resnet
from tests.support import Untouched, error_between

X = torch.randn(2, 3, 9, 9)


def kinds(model):
    return [type(module) for module in model.modules()]


@pytest.mark.parametrize("layer", [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Sequential])
def test_a_hook_that_keeps_features_gets_tensors_alone_and_the_graph_is_as_without_it(layer):
    kept = []
    model = seeded(small_resnet)
    for module in model.modules():
        if isinstance(module, layer):
            module.register_forward_hook(lambda module, inputs, output: kept.append(output))
    before = Untouched(model)
    traced = trace(model, X)
    before.check()
    assert traced.tracer == "symbolic_trace"
    assert str(traced.module.graph) == str(trace(seeded(small_resnet), X).module.graph)
    assert kept
    assert all(type(output) is Tensor for output in kept)


@pytest.mark.parametrize("layer", [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.AdaptiveAvgPool2d, nn.Linear])
@pytest.mark.parametrize("where", ["behind", "before"])
def test_a_hook_that_changes_numbers_is_part_of_the_graph(layer, where):
    model = seeded(small_resnet)
    for module in model.modules():
        if isinstance(module, layer):
            if where == "behind":
                module.register_forward_hook(lambda module, inputs, output: output * 1.5)
            else:
                module.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 1.5,))
    traced = trace(model, X)
    assert error_between(traced.module, model, X) <= 1e-6
    assert error_between(model, seeded(small_resnet), X) > 1e-3
    assert not any(is_changed(module) for module in traced.module.children())


def test_a_network_of_hooked_layers_loses_its_shortcuts_exactly():
    model = seeded(small_resnet)
    for module in model.modules():
        if isinstance(module, nn.ReLU | nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output: output * 1.1)
    conversion = rdpass.convert(model, X, recipe="carry", max_macs=9)
    assert len(conversion.removed) == 3
    assert error_between(conversion.student, model, X) <= 1e-5


@pytest.mark.parametrize("where", ["behind", "before", "both"])
def test_hooks_on_the_model_itself_count(where):
    model = seeded(small_resnet)
    if where != "before":
        model.register_forward_hook(lambda module, inputs, output: output.softmax(1))
    if where != "behind":
        model.register_forward_pre_hook(lambda module, inputs: (inputs[0] / 2,))
    traced = trace(model, X)
    assert traced.tracer == "symbolic_trace"
    assert error_between(traced.module, model, X) <= 1e-6


def test_hooks_with_keywords_and_hooks_that_answer_now_and_then_are_followed():
    model = seeded(small_resnet)
    model[0].register_forward_hook(lambda module, inputs, named, output: output + 1, with_kwargs=True)
    twice = nn.ReLU()
    twice.register_forward_hook(lambda module, inputs, output: output + 1 if output.shape[1] == 3 else None)
    model = nn.Sequential(twice, model, twice)
    assert error_between(trace(model, X).module, model, X) <= 1e-6


def test_only_what_gave_nothing_back_is_dropped():
    model = nn.Sequential(nn.ReLU(), nn.ReLU())
    for layer in model:
        layer.register_forward_hook(lambda *_: None)
    model[1].register_forward_hook(lambda module, inputs, output: output + 1)
    ran = copy.deepcopy(model)
    outputs = drop_observers(model, ran, lambda: ran(torch.zeros(1)))
    assert outputs == 1
    assert [len(layer._forward_hooks) for layer in model] == [0, 1]

"""Functions that stand on a model work on its copy, and the model that was copied is not run."""

import functools
from types import MethodType

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.own_functions import copy_with_functions
from tests.models import seeded, small_resnet
from tests.support import Untouched, error_between

X = torch.randn(2, 3, 9, 9)


def doubled_by_a_decorator(model):
    forward = model.forward

    @functools.wraps(forward)
    def doubled(*inputs):
        return forward(*inputs) * 2

    model.forward = doubled


def doubled_by_a_default(model):
    model.forward = lambda input, whole=model: type(whole).forward(whole, input) * 2


def doubled_by_a_method(model):
    model.forward = MethodType(lambda self, input: type(self).forward(self, input) * 2, model)


def doubled_by_a_partial(model):
    def doubled(whole, input):
        return type(whole).forward(whole, input) * 2

    model.forward = MethodType(functools.update_wrapper(functools.partial(lambda m, self, x: doubled(m, x), model),
                                                        doubled), model)  # fmt: skip


def doubled_in_a_part(model):
    last = model[-1]
    forward = last.forward
    last.forward = lambda input: forward(input) * 2


def doubled_by_a_hook_on_another_layer(model):
    first, weight = model[0], nn.Parameter(torch.full((), 2.0))
    first.register_parameter("factor", weight)
    model[-1].register_forward_hook(lambda module, inputs, output: output * first.factor)


CHANGES = (doubled_by_a_decorator, doubled_by_a_default, doubled_by_a_method, doubled_by_a_partial, doubled_in_a_part,
           doubled_by_a_hook_on_another_layer)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_changed_forward_is_converted_as_it_computes_and_a_model_in_training_keeps_its_statistics(change):
    model = seeded(small_resnet)
    change(model)
    model.train()
    before = Untouched(model)
    conversion = rdpass.convert(model, X, recipe="carry", max_macs=9)
    before.check()
    assert model.training
    assert len(conversion.removed) == 3
    with torch.no_grad():
        assert torch.allclose(conversion.student(X), 2 * seeded(small_resnet)(X), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_copy_has_its_own_weights_in_its_own_functions(change):
    model = seeded(small_resnet)
    change(model)
    wanted = model(X)
    copied = copy_with_functions(model, {})
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(copied(X), wanted)


def test_functions_that_refer_to_no_module_are_the_very_same():
    def keep(module, inputs, output):
        return None

    model = nn.Conv2d(3, 3, 1)
    model.activation = torch.relu
    model.scale = lambda x, factor=2: x * factor
    model.register_forward_hook(keep)
    copied = copy_with_functions(model, {})
    assert (copied.activation, copied.scale) == (model.activation, model.scale)
    assert list(copied._forward_hooks.values()) == [keep]


def test_functions_that_refer_to_each_other_and_to_nothing_yet_are_copied():
    def build(model):
        def down(x, depth=3):
            return model.conv(x) if depth == 0 else up(x, depth - 1)

        def up(x, depth):
            return later(x) if depth < 0 else down(x, depth)

        model.forward = down
        if model.training:
            return
        later = torch.relu

    model = nn.Module()
    model.conv = nn.Conv2d(3, 3, 1)
    build(model)
    copied = copy_with_functions(model, {})
    assert error_between(copied, model, X) == 0

import torch

import rdpass
from rdpass.capture.trace import trace
from rdpass.recipes.pricing import price
from tests.models import Residual, classifier, conv_bn, seeded, small_resnet
from tests.support import Untouched


def priced(model, *shape):
    traced = trace(model, torch.randn(shape))
    before = Untouched(traced.module)
    prices = price(traced, rdpass.inspect(model, traced.example).regions)
    before.check()
    return prices


def test_the_prices_are_what_the_exact_student_costs_more():
    model = seeded(small_resnet)
    prices = priced(model, 1, 3, 9, 9)
    conversion = rdpass.convert(model, torch.randn(1, 3, 9, 9), recipe="carry", max_macs=100)
    assert {name: found.recipe for name, found in prices.items()} == dict.fromkeys(("add", "add_1", "add_2"), "carry")
    extra = sum(found.extra_macs for found in prices.values())
    assert conversion.cost.macs == conversion.plan.forecast.model.macs + extra


def test_an_identity_round_one_convolution_is_merged_for_nothing():
    (found,) = priced(seeded(lambda: classifier(Residual(conv_bn(4, 4)), channels=4)), 1, 3, 8, 8).values()
    assert (found.recipe, found.extra_macs) == ("merge", 0)


def test_what_no_exact_recipe_covers_has_a_reason_and_no_price():
    pooled = Residual(torch.nn.Sequential(conv_bn(4, 4), torch.nn.MaxPool2d(3, 1, 1), conv_bn(4, 4)))
    (found,) = priced(seeded(lambda: classifier(pooled, channels=4)), 1, 3, 8, 8).values()
    assert (found.recipe, found.extra_macs) == (None, 0)
    assert found.reason

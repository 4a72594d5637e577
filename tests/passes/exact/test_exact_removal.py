"""Which shortcuts go, in which order, and why the others stay."""

import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.core.plan import Traced
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.exact.exact_removal import choose_exact, plan_exact, remove_exactly
from rdpass.passes.graph.absorb_padding import absorb_padding
from rdpass.passes.graph.editing import copy_without_weights
from tests.models import Residual, basic_block, classifier, conv_bn, seeded
from tests.passes.exact.exact_cases import two
from tests.passes.exact.regions import traced_block
from tests.support import Untouched, error_between

X = torch.randn(2, 3, 9, 9)
ANY = (-float("inf"), float("inf"))


def chosen(model, **options):
    traced = trace(seeded(lambda: model), X)
    module = absorb_padding(traced.module)
    adds = {region.add for region in take_census(traced)[0]}
    shell = Traced(absorb_padding(copy_without_weights(module)), traced.example)
    return traced, module, choose_exact(shell, adds, **options)


def test_all_go_without_a_bound_and_the_graph_given_stays():
    traced, module, choice = chosen(classifier(basic_block(4, 4), basic_block(4, 8, 2)))
    before = Untouched(module)
    made = remove_exactly(module, choice)
    assert [plan.recipe for plan, _, _ in choice.plans] == ["carry", "carry"]
    assert choice.refused == choice.inside == {}
    assert take_census(trace(made, X))[0] == ()
    assert error_between(made, traced.module, X) <= 1e-5
    before.check()


def test_the_cheapest_go_first_while_the_budget_lasts():
    blocks = (basic_block(4, 4), basic_block(4, 8, 2), basic_block(8, 8))
    _, module, everything = chosen(classifier(*blocks))
    costs = sorted(plan.extra_macs for plan, _, _ in everything.plans)
    budget = macs_of(module) + costs[0] + costs[1]
    _, _, choice = chosen(classifier(*blocks), budget=budget)
    assert sorted(plan.extra_macs for plan, _, _ in choice.plans) == costs[:2]
    (reason,) = choice.refused.values()
    assert "over the budget" in reason
    _, _, none = chosen(classifier(*blocks), dearest=costs[0] - 1)
    assert none.plans == ()
    assert all("it would cost" in reason for reason in none.refused.values())


def test_a_shortcut_inside_another_body_goes_first_and_what_a_merged_region_holds_goes_with_it():
    nested = Residual(nn.Sequential(*conv_bn(4, 4), nn.ReLU(), two()), None, nn.ReLU())
    _, _, choice = chosen(classifier(nested, channels=4))
    assert [plan.region.add for plan, _, _ in choice.plans] == ["add", "add_1"]

    class Three(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = conv_bn(4, 4), conv_bn(4, 4, 1)

        def forward(self, x):
            return torch.relu(self.a(x) + self.b(x) + x)

    _, _, merged = chosen(classifier(Three(), channels=4))
    assert {plan.recipe for plan, _, _ in merged.plans} == {"merge"}
    assert len(merged.plans) + len(merged.inside) == 2


def test_a_recipe_that_is_not_allowed_leaves_its_shortcuts_with_the_others_reason():
    _, _, choice = chosen(classifier(basic_block(4, 4), channels=4), recipes=("merge",))
    assert choice.plans == ()
    assert "not linear" in choice.refused["add"]


def test_a_merge_that_is_free_is_taken_though_carrying_were_possible():
    traced, region = traced_block(Residual(conv_bn(4, 4)))
    plan = plan_exact(traced.module, region, ANY)
    assert (plan.recipe, plan.extra_macs) == ("merge", 0)

"""The networks to choose among, on blocks alike and unlike, nested and none: structure, numbers, untouched inputs."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import rdpass
from rdpass.capture.trace import trace
from rdpass.core.plan import Skipped, Traced
from rdpass.fitting.networks import PRUNED, Network, Price, lone_drafts, partial_drafts, pruned_drafts, whole_drafts
from rdpass.inspection import plan_of
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.training.config import DistillConfig
from rdpass.training.options import PruneOptions, StudentOptions
from rdpass.training.request import Request
from tests.data import batches
from tests.fitting.accounts import cost
from tests.models import Residual, basic_block, bottleneck, classifier, conv_bn, seeded
from tests.support import Untouched, error_between

IMAGES = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def drawn(build):
    model = seeded(build)
    traced = trace(model, IMAGES)
    return traced, plan_of(traced)


def shortcuts(graph):
    return [region.add for region in take_census(Traced(graph, (IMAGES,)))[0]]


def test_as_it_is_exact_and_plain_are_there_and_the_graph_is_left_as_it_was():
    traced, plan = drawn(lambda: classifier(basic_block(4, 4), basic_block(4, 8, 2)))
    before = Untouched(traced.module)
    drafts = whole_drafts(traced, plan, "migrate", Request(max_macs=9.0))
    before.check()
    assert [(each.name, each.recipe, each.removed, each.trains) for each in drafts.networks] == [
        ("as it is", "keep", (), False), ("exact", "carry", ("add", "add_1"), False),
        ("plain", "migrate", ("add", "add_1"), True),
    ]  # fmt: skip
    assert [shortcuts(drafts.graphs[each.name]()) for each in drafts.networks] == [["add", "add_1"], [], []]
    assert error_between(drafts.graphs["exact"](), traced.module, IMAGES) < 1e-5
    assert error_between(drafts.graphs["plain"](), traced.module, IMAGES) > 1e-2


def test_a_plain_network_of_bottlenecks_has_a_form_whose_pairs_are_merged():
    traced, plan = drawn(lambda: classifier(bottleneck(8, 4), bottleneck(8, 4)))
    before = Untouched(traced.module)
    drafts = whole_drafts(traced, plan, "auto", Request(max_macs=1.0))
    before.check()
    plain, merged = drafts.networks[1:]
    assert merged == replace(plain, name="plain, pairs merged", merged=True)
    assert (plain.folder, merged.folder) == ("plain", "plain-pairs-merged")
    assert shortcuts(drafts.graphs[merged.name]()) == []
    assert macs_of(drafts.graphs[merged.name]()) < macs_of(drafts.graphs[plain.name]())
    asked = [network.settings(DistillConfig()).student.merge_pairs for network in drafts.networks]
    assert asked == [False, False, True]


def test_what_merges_is_no_setting_of_the_users_but_a_network_of_its_own():
    config = DistillConfig(student=StudentOptions(merge_pairs=True, stream="block"))
    asked = Network("as it is", "keep").settings(config).student
    assert (asked.merge_pairs, asked.stream) == (False, "block")


def test_a_recipe_that_merges_nothing_is_named():
    traced, plan = drawn(lambda: classifier(bottleneck(8, 4), bottleneck(8, 4)))
    drafts = whole_drafts(traced, plan, "prune", Request(max_macs=1.0))
    assert Skipped("plain, pairs merged", "recipe prune merges no pairs") in drafts.skipped


def test_where_no_shortcut_leaves_exactly_within_the_budget_the_reason_is_kept():
    traced, plan = drawn(lambda: classifier(basic_block(4, 4), basic_block(4, 8, 2)))
    drafts = whole_drafts(traced, plan, "migrate", Request(max_macs=1.0))
    assert [each.name for each in drafts.networks] == ["as it is", "plain"]
    assert [each.add for each in drafts.skipped] == ["exact"]
    assert "no shortcut leaves exactly" in drafts.skipped[0].reason


def test_a_network_without_shortcuts_is_looked_at_as_it_is():
    traced, plan = drawn(lambda: nn.Sequential(*conv_bn(3, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    drafts = whole_drafts(traced, plan, "migrate", Request())
    assert ([each.name for each in drafts.networks], drafts.skipped) == (["as it is"], ())


def test_equal_blocks_between_equal_neighbours_have_one_graph_which_keeps_one_shortcut():
    traced, plan = drawn(lambda: classifier(*(bottleneck(8, 4) for _ in range(6))))
    graphs, stands_for = lone_drafts(traced, plan)
    assert list(stands_for) == [region.add for region in plan.removable]
    assert set(stands_for.values()) == set(graphs)
    assert len(graphs) < len(stands_for)
    assert stands_for["add_2"] == stands_for["add_3"]
    for add, make in graphs.items():
        assert shortcuts(make()) == [add]


def test_a_stride_a_width_and_a_scale_make_another_structure():
    class Scaled(Residual):
        def forward(self, x):
            return x + 0.5 * self.body(x)

    def body():
        return nn.Sequential(*conv_bn(8, 8), nn.ReLU(), *conv_bn(8, 8))

    blocks = [Residual(body()), Scaled(body()), basic_block(8, 8, 2, after=False), bottleneck(8, 4)]
    traced, plan = drawn(lambda: classifier(*blocks))
    graphs, stands_for = lone_drafts(traced, plan)
    assert len(graphs) == len(stands_for) == 4


def test_a_shortcut_round_another_keeps_the_inner_one_gone():
    traced, plan = drawn(
        lambda: classifier(Residual(nn.Sequential(*conv_bn(4, 4), nn.ReLU(), basic_block(4, 4))), channels=4)
    )
    graphs, _ = lone_drafts(traced, plan)
    assert [shortcuts(make()) for make in graphs.values()] == [[add] for add in graphs]


def widths(graph):
    return [module.out_channels for module in graph.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize("data", [None, batches(1)])
def test_pruned_networks_keep_every_shortcut_and_are_as_the_recipe_makes_them(data):
    model = seeded(lambda: classifier(basic_block(16, 16), basic_block(16, 16), channels=16, classes=4))
    traced = trace(model, IMAGES)
    before = Untouched(traced.module)
    config = DistillConfig(epochs=1, lr=0.01, prune=PruneOptions(multiple=4))
    drafts = pruned_drafts(traced, Request(train=data, config=config))
    assert [(each.folder, each.recipe, each.pruned, each.removed) for each in drafts.networks] == [
        ("pruned-by-25", "prune", 0.25, ()), ("pruned-by-50", "prune", 0.5, ()), ("pruned-by-75", "prune", 0.75, ()),
    ]  # fmt: skip
    graphs = [drafts.graphs[each.name]() for each in drafts.networks]
    before.check()
    for share, narrow in zip(PRUNED, graphs, strict=True):
        assert shortcuts(narrow) == ["add", "add_1"]
        assert macs_of(narrow) <= (1 - share) * macs_of(traced.module)
        assert all(width % 4 == 0 for width in widths(narrow))
    if data is not None:
        made = rdpass.convert(model, IMAGES, recipe="prune", train=data, config=drafts.networks[0].settings(config),
                              show_progress=False)  # fmt: skip
        assert widths(made.student) == widths(graphs[0])


def test_which_shortcuts_were_selected_is_nothing_to_a_pruned_network():
    traced, _ = drawn(lambda: classifier(basic_block(16, 16), basic_block(16, 16), channels=16))
    config = DistillConfig(prune=PruneOptions(multiple=4))
    drafts = pruned_drafts(traced, Request(skip=("add",), config=config))
    assert shortcuts(drafts.graphs["pruned by 50 %"]()) == ["add", "add_1"]


PLAIN = cost("plain", "float32", 10, 1000)


@pytest.fixture(scope="module")
def four():
    return drawn(lambda: classifier(*(basic_block(4, 4) for _ in range(4)), channels=4))


def partial(four, *prices):
    traced, plan = four
    adds = [region.add for region in plan.removable]
    drafts = partial_drafts(
        traced, plan, [Price(add, *price) for add, price in zip(adds, prices, strict=True)], PLAIN, "kd"
    )
    for each in drafts.networks:
        assert shortcuts(drafts.graphs[each.name]()) == [add for add in adds if add not in each.removed]
    return [(each.name, each.removed) for each in drafts.networks]


def test_all_shortcuts_above_a_level_of_the_peak_go_together(four):
    found = partial(four, (10, 3000), (10, 2000), (10, 3010), (10, 1005))
    assert found == [
        ("without 2 of 4 (peak)", ("add", "add_2")), ("without 3 of 4 (peak)", ("add", "add_1", "add_2"))
    ]  # fmt: skip


def test_the_dearest_shortcuts_that_take_a_share_of_the_time_go_together(four):
    found = partial(four, (11, 1000), (16, 1000), (12, 1000), (11, 1000))
    assert found == [
        ("without 1 of 4 (time)", ("add_1",)), ("without 2 of 4 (time)", ("add_1", "add_2"))
    ]  # fmt: skip


def test_shortcuts_that_cost_nothing_stay_and_no_set_is_named_twice(four):
    assert partial(four, (10, 1000), (9, 900), (10, 1000), (10, 1000)) == []
    found = partial(four, (14, 4000), (10, 1000), (10, 1000), (10, 1000))
    assert found == [("without 1 of 4 (peak)", ("add",))]


def test_names_make_folders():
    assert Network("without 2 of 4 (peak)", "kd").folder == "without-2-of-4-peak"
    assert Network("as it is", "keep").folder == "as-it-is"

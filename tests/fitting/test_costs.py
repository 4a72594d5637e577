"""Costs of all networks: each estimated once, equal blocks once for all, and none again that the record knows."""

from dataclasses import replace

import pytest
import torch

from rdpass.capture.trace import trace
from rdpass.core.errors import TargetError
from rdpass.core.plan import Skipped
from rdpass.fitting import costs
from rdpass.fitting.costs import check_costs, take_costs
from rdpass.fitting.limits import Limits
from rdpass.fitting.networks import Drafts, Network, pruned_drafts
from rdpass.fitting.record import Fit, Journal, read_fit
from rdpass.inspection import plan_of
from rdpass.profiling.account.choices import MERGED
from rdpass.targets.lookup import find_target
from rdpass.training.config import DistillConfig
from rdpass.training.options import PruneOptions
from rdpass.training.request import Request
from tests.fitting.accounts import cost
from tests.models import basic_block, bottleneck, classifier, seeded

RPI5 = find_target("rpi5")
QUIET = Request(max_macs=1.0, config=DistillConfig(prune=PruneOptions(multiple=1)), show_progress=False)
IMAGES = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))

NARROW = ("pruned by 25 %", "pruned by 50 %")


class Account:
    """An account whose networks cost a millisecond for every node of their graph; the peak is that of one add."""

    def __init__(self, broken=()):
        self.asked, self.broken = [], broken

    def __call__(self, networks, example, target, precisions, show_progress=False):
        ((name, graph),) = networks.items()
        self.asked.append(name)
        if name in self.broken:
            return (), (Skipped(name, "it is broken"),)
        adds = [node.name for node in graph.graph.nodes if node.name.startswith("add")]
        ms = len(graph.graph.nodes)
        return tuple(cost(name, each, ms, 1000 + 500 * ("add" in adds)) for each in precisions), ()


@pytest.fixture
def account(monkeypatch):
    """Costs without the account; pruned networks are as wide as the model, for finding channels takes seconds."""
    made = Account()
    monkeypatch.setattr(costs, "estimate_networks", made)
    monkeypatch.setattr(costs, "pruned_drafts", as_wide)
    return made


def as_wide(traced, request):
    networks = tuple(Network(name, "prune", trains=True) for name in NARROW)
    return Drafts(networks, {name: lambda: traced.module for name in NARROW})


def taken(journal, model, precisions=("float32", "int8")):
    traced = trace(seeded(model), IMAGES)
    take_costs(journal, traced, plan_of(traced), RPI5, precisions, "migrate", QUIET)
    return journal.found


def six():
    return classifier(*(bottleneck(8, 4) for _ in range(6)))


def test_every_network_has_its_costs_and_every_shortcut_its_price(account):
    found = taken(Journal(Fit("rpi5", Limits()), None), six)
    assert [network.name for network in found.networks][:6] == [
        "as it is", "plain", MERGED, *NARROW, "without 1 of 6 (peak)"
    ]  # fmt: skip
    assert len(found.costs) == 2 * len(found.networks)
    assert [price.add for price in found.prices] == ["add", "add_1", "add_2", "add_3", "add_4", "add_5"]
    assert {price.peak_bytes for price in found.prices if price.add != "add"} == {1000}
    assert found.skipped[0].add == "exact"
    assert len(account.asked) < len(found.networks) + 6  # equal blocks are asked for once
    assert len(account.asked) == len(set(account.asked))


def test_a_search_that_goes_on_asks_for_nothing_again(account, tmp_path):
    first = taken(Journal(Fit("rpi5", Limits()), tmp_path), six)
    asked = len(account.asked)
    assert read_fit(tmp_path) == first
    again = taken(Journal(read_fit(tmp_path), tmp_path), six)
    assert (again, len(account.asked)) == (first, asked)


def test_a_search_that_was_killed_asks_for_the_rest_alone(account, tmp_path):
    whole = taken(Journal(Fit("rpi5", Limits()), None), six)
    account.asked.clear()
    half = Fit("rpi5", Limits(), networks=whole.networks[:1], costs=whole.costs[:2], prices=whole.prices[:1],
               skipped=whole.skipped)  # fmt: skip
    found = taken(Journal(half, tmp_path), six)
    assert sorted(map(repr, found.prices)) == sorted(map(repr, whole.prices))
    assert (found.networks, found.costs, found.skipped) == (whole.networks, whole.costs, whole.skipped)
    assert not {"as it is", "add"} & set(account.asked)


def test_a_network_that_has_no_account_is_skipped_with_its_reason_and_the_others_stand(account):
    account.broken = ("as it is",)
    found = taken(Journal(Fit("rpi5", Limits()), None), lambda: classifier(basic_block(4, 4), channels=4))
    assert {each.network for each in found.costs} == {"plain", *NARROW}
    assert Skipped("as it is", "it is broken") in found.skipped
    assert found.prices == ()  # of the only one there is nothing to choose


def test_a_network_that_cannot_be_pruned_so_far_is_skipped_with_its_reason(account, monkeypatch):
    monkeypatch.setattr(costs, "pruned_drafts", pruned_drafts)
    wide = replace(QUIET, config=DistillConfig(prune=PruneOptions(multiple=64)))
    traced, journal = trace(seeded(six), IMAGES), Journal(Fit("rpi5", Limits()), None)
    take_costs(journal, traced, plan_of(traced), RPI5, ("float32",), "migrate", wide)
    assert "as it is" in account.asked
    reasons = {each.add: each.reason for each in journal.found.skipped}
    assert "multiples of 64" in reasons["pruned by 25 %"]
    assert journal.found.cost("pruned by 25 %", "float32") is None


def test_without_the_plain_networks_cost_there_are_no_prices(account):
    account.broken = ("plain",)
    found = taken(Journal(Fit("rpi5", Limits()), None), six)
    assert ([network.name for network in found.networks], found.prices) == (
        ["as it is", "plain", MERGED, *NARROW], ()
    )  # fmt: skip


def test_a_core_without_figures_is_refused():
    with pytest.raises(TargetError, match="no model of made-up"):
        check_costs(replace(RPI5, cpu="made-up"))
    check_costs(find_target("rpi3"))
    check_costs(RPI5)


@pytest.mark.slow
def test_prices_of_the_account_itself_foretell_what_a_set_of_shortcuts_costs():
    """Time adds up, and the peak is the highest of all."""
    model = seeded(lambda: classifier(bottleneck(32, 8), bottleneck(32, 8), channels=32))
    traced = trace(model, torch.randn(1, 3, 16, 16))
    journal = Journal(Fit("rpi5", Limits()), None)
    take_costs(journal, traced, plan_of(traced), RPI5, ("float32",), "migrate", QUIET)
    found = journal.found
    own, plain = found.cost("as it is", "float32"), found.cost("plain", "float32")
    assert plain.ms + sum(price.ms - plain.ms for price in found.prices) == pytest.approx(own.ms, rel=0.02)
    assert max(price.peak_bytes for price in found.prices) == pytest.approx(own.peak_bytes, rel=0.03)

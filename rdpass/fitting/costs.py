"""Costs of every network in every precision, by the account: nothing is trained, nothing is compiled.

1. The network as it is, the exact one and the plain one; and those with fewer channels.
2. Each shortcut's price, one for each structure of blocks, in the first precision.
3. The networks that lose only the shortcuts with the highest prices.

What the record knows already is not estimated again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rdpass.core.errors import RdpassError, TargetError, first_line
from rdpass.core.numeric_types import Precision
from rdpass.core.plan import Choice, Plan, Skipped, Traced
from rdpass.core.progress import Progress, progress
from rdpass.fitting.networks import Drafts, Make, Price, lone_drafts, partial_drafts, pruned_drafts, whole_drafts
from rdpass.fitting.record import Journal
from rdpass.kernels.builder.function import written_once
from rdpass.profiling.account.choices import PLAIN, estimate_networks
from rdpass.profiling.account.core_times import core_times
from rdpass.targets.target import Target
from rdpass.training.request import Request


def check_costs(target: Target) -> None:
    """
    Raises:
        TargetError: no figures of the target's core, clock or memory are known to estimate costs with.
    """
    core_times(target)
    if not (target.clock_ghz and target.dram_gbps):
        raise TargetError(f"target {target.name} has no clock_ghz or dram_gbps to estimate times with")


def take_costs(
    journal: Journal,
    traced: Traced,
    plan: Plan,
    target: Target,
    precisions: Sequence[Precision],
    recipe: str,
    request: Request,
) -> None:
    """Put into the journal all networks, with their costs or the reason why there are none.

    Args:
        journal: the record; what it holds is left as it is.
        traced: the model.
        plan: its shortcuts.
        target: what would be built for.
        precisions: to look at; prices are in the first one.
        recipe: what would train a network without shortcuts.
        request: what networks are drafted with: the limit of the exact one, data and settings of the pruned ones;
            whether to show on stderr how far it is.
    """
    drafts = (whole_drafts(traced, plan, recipe, request), pruned_drafts(traced, request))
    lone, stands_for = lone_drafts(traced, plan) if len(plan.removable) > 1 else ({}, {})
    work, show = sum(len(each.networks) for each in drafts) + len(lone), request.show_progress
    with written_once(), progress("costs", work, show) as shown:
        teller = _Teller(journal, traced, target, shown)
        for each in drafts:
            teller.take(each, precisions)
        plain = journal.found.cost(PLAIN, precisions[0])
        if not lone or plain is None:
            return
        teller.price(lone, stands_for, precisions[0])
        partial = partial_drafts(traced, plan, journal.found.prices, plain, recipe)
    with written_once(), progress("costs", len(partial.networks), show) as shown:
        _Teller(journal, traced, target, shown).take(partial, precisions)


class _Teller:
    """Takes the costs of graphs, those that the journal lacks."""

    def __init__(self, journal: Journal, traced: Traced, target: Target, shown: Progress) -> None:
        self._journal, self._example, self._target, self._shown = journal, traced.example, target, shown
        self._done = 0

    def take(self, drafts: Drafts, precisions: Sequence[Precision]) -> None:
        self._skip(drafts.skipped)
        for network in drafts.networks:
            found = self._journal.found
            if network.name not in {each.name for each in found.networks}:
                choices, skipped = self._estimated(network.name, drafts.graphs[network.name], precisions)
                self._skip(skipped)
                self._journal.put(networks=(*found.networks, network), costs=(*found.costs, *choices))
            self._step(network.name)

    def price(self, graphs: Mapping[str, Make], stands_for: Mapping[str, str], precision: Precision) -> None:
        """The price of every shortcut, from the one of its structure that has a graph."""
        for first, make in graphs.items():
            known = {price.add for price in self._journal.found.prices}
            alike = [add for add, other in stands_for.items() if other == first and add not in known]
            if alike:
                choices, skipped = self._estimated(first, make, (precision,))
                for choice in choices:
                    prices = tuple(Price(add, choice.ms, choice.peak_bytes) for add in alike)
                    self._journal.put(prices=(*self._journal.found.prices, *prices))
                self._skip([Skipped(f"the price of {', '.join(alike)}", each.reason) for each in skipped])
            self._step(f"a network that keeps {first} alone")

    def _estimated(
        self, name: str, make: Make, precisions: Sequence[Precision]
    ) -> tuple[tuple[Choice, ...], tuple[Skipped, ...]]:
        try:
            graph = make()
        except RdpassError as error:
            return (), (Skipped(name, first_line(error)),)
        return estimate_networks({name: graph}, self._example, self._target, precisions)

    def _skip(self, skipped: Sequence[Skipped]) -> None:
        known = self._journal.found.skipped
        if new := tuple(each for each in skipped if each not in known):
            self._journal.put(skipped=(*known, *new))

    def _step(self, text: str) -> None:
        self._done += 1
        self._shown.step(self._done, text)

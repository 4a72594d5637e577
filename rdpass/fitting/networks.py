"""The networks to choose among: shortcuts kept, gone exactly, gone all, or gone where keeping one costs most; or kept
all, with fewer channels. Of a plain network of bottlenecks there is a second form: pairs of 1x1 convolutions are one.

1. Every shortcut has a price: what a network that keeps it alone takes more than one that keeps none (``Price``).
2. Time adds up over the shortcuts that are kept. So the dearest go first, until a share of all that time is saved.
3. The peak does not: it is that of the one place where most is live. So all shortcuts above a level of the peak go.

Both rankings give nested sets. Nothing is known of accuracy here but that of two such sets the smaller one loses less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch.fx import GraphModule

from rdpass.core.errors import RdpassError, first_line
from rdpass.core.plan import Choice, Plan, Region, Skipped, Traced
from rdpass.passes.distill.merge_pairs import merged_plain
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.graph.node_kinds import kind_of, module_of, shape_of
from rdpass.profiling.account.choices import AS_IT_IS, MERGED, PLAIN
from rdpass.recipes.carry import CARRY
from rdpass.recipes.catalogue import find_recipe
from rdpass.recipes.keep import KEEP
from rdpass.recipes.preparation import prepared_teacher
from rdpass.recipes.prune import PRUNE, pruned
from rdpass.training.config import DistillConfig
from rdpass.training.request import Request

EXACT = "exact"
PRUNED = (0.25, 0.5, 0.75)
"""Shares of the multiply-accumulates that leave with channels."""
SHARES = (0.25, 0.5, 0.75)
"""Of the time that all shortcuts together take."""
LEVELS = 3
"""Levels of the peak that are looked at, at most."""
SAME = 0.01
"""Peaks that differ by less of themselves are one level."""


@dataclass(frozen=True)
class Network:
    """A network that could be built: which shortcuts it is without, and how ``convert`` gets there.

    ``trains``: whether it takes a training before it is of any use. ``pruned``: the share of its multiply-accumulates
    that leaves with channels. ``merged``: whether its pairs of 1x1 convolutions become one each.
    """

    name: str
    recipe: str
    removed: tuple[str, ...] = ()
    trains: bool = False
    pruned: float = 0.0
    merged: bool = False

    def settings(self, config: DistillConfig) -> DistillConfig:
        """``config`` as ``convert`` is to have it for this network."""
        own = {"student": config.student.model_copy(update={"merge_pairs": self.merged})}
        prune = {"prune": config.prune.model_copy(update={"share": self.pruned})} if self.pruned else {}
        return config.model_copy(update=own | prune)

    @property
    def folder(self) -> str:
        """The name as one of a folder."""
        return re.sub(r"\W+", "-", self.name).strip("-")


@dataclass(frozen=True)
class Price:
    """What a network costs that keeps the one shortcut ``add`` and is plain elsewhere: time and peak."""

    add: str
    ms: float
    peak_bytes: int


Make = Callable[[], GraphModule]
"""A graph is made when its turn comes, for each has weights of its own."""


@dataclass(frozen=True)
class Drafts:
    """Networks with what makes their graphs, values of weights aside, and those that could not be made."""

    networks: tuple[Network, ...]
    graphs: Mapping[str, Make]
    skipped: tuple[Skipped, ...] = ()


def whole_drafts(traced: Traced, plan: Plan, recipe: str, request: Request) -> Drafts:
    """The network as it is, without the shortcuts that can leave exactly, without any that can leave, and that with its
    pairs of 1x1 convolutions merged.

    Args:
        traced: the model.
        plan: its shortcuts.
        recipe: what trains a network without them.
        request: has how many multiply-accumulates an exact one may have (``max_macs``).
    """
    own = Drafts((Network(AS_IT_IS, KEEP.name),), {AS_IT_IS: lambda: traced.module})
    if not plan.removable:
        return own
    plain = without(PLAIN, [region.add for region in plan.removable], recipe)
    graphs = {PLAIN: partial(remove_shortcuts, traced.module, plan.removable)}
    return _together(
        own, _exact(traced, plan, request), Drafts((plain,), graphs), _merged(traced, plan.removable, plain)
    )


def _together(*drafts: Drafts) -> Drafts:
    return Drafts(
        tuple(network for each in drafts for network in each.networks),
        {name: make for each in drafts for name, make in each.graphs.items()},
        tuple(skipped for each in drafts for skipped in each.skipped),
    )


def _exact(traced: Traced, plan: Plan, request: Request) -> Drafts:
    try:
        exact = CARRY.remove(traced, plan, request)
    except RdpassError as error:
        return Drafts((), {}, (Skipped(EXACT, first_line(error)),))
    removed = tuple(outcome.add for outcome in exact.outcomes if outcome.how != "kept")
    if not removed:
        reason = next((outcome.reason for outcome in exact.outcomes), "there is no shortcut")
        return Drafts((), {}, (Skipped(EXACT, f"no shortcut leaves exactly: {reason}"),))
    return Drafts((Network(EXACT, CARRY.name, removed),), {EXACT: lambda: exact.student.module})


def _merged(traced: Traced, regions: Sequence[Region], plain: Network) -> Drafts:
    """The plain network with its pairs merged; nothing where none is worth it."""
    graph = merged_plain(traced.module, regions)
    if graph is None:
        return Drafts((), {})
    if not find_recipe(plain.recipe, has_data=True).merges_pairs:
        return Drafts((), {}, (Skipped(MERGED, f"recipe {plain.recipe} merges no pairs"),))
    return Drafts((replace(plain, name=MERGED, merged=True),), {MERGED: lambda: graph})


def pruned_drafts(traced: Traced, request: Request) -> Drafts:
    """Networks that lose the channels that matter least, as the recipe would choose them, and keep every shortcut.

    Args:
        traced: the model.
        request: data and loss that say what matters, and the settings; without data magnitudes say so. Where it selects
            shortcuts all are kept.
    """
    networks = [Network(f"pruned by {100 * share:.0f} %", PRUNE.name, trains=True, pruned=share) for share in PRUNED]
    return Drafts(tuple(networks), {each.name: partial(_pruned, traced, each, request) for each in networks})


def _pruned(traced: Traced, network: Network, request: Request) -> GraphModule:
    config = network.settings(request.config)
    if request.train is None:
        config = config.model_copy(update={"prune": config.prune.model_copy(update={"importance": "magnitude"})})
    narrow, _ = pruned(prepared_teacher(traced), replace(request, only=(), skip=(), config=config))
    return narrow.module


def without(name: str, adds: Sequence[str], recipe: str) -> Network:
    """The network that is trained to do without the shortcuts ``adds``."""
    return Network(name, recipe, tuple(adds), trains=True)


def partial_drafts(traced: Traced, plan: Plan, prices: Sequence[Price], plain: Choice, recipe: str) -> Drafts:
    """Networks that lose the shortcuts which cost most, by time and by the peak, each set once."""
    networks, graphs = [], dict[str, Make]()
    seen = {frozenset(), frozenset(region.add for region in plan.removable)}
    for why, adds in (*_by_peak(prices, plain), *_by_time(prices, plain)):
        if adds not in seen:
            seen.add(adds)
            gone = [region for region in plan.removable if region.add in adds]
            name = f"without {len(gone)} of {len(plan.removable)} ({why})"
            networks.append(without(name, [region.add for region in gone], recipe))
            graphs[name] = partial(remove_shortcuts, traced.module, gone)
    return Drafts(tuple(networks), graphs)


def _by_peak(prices: Sequence[Price], plain: Choice) -> Iterator[tuple[str, frozenset[str]]]:
    """For some levels, from the highest down, the shortcuts whose price is not below it."""
    levels: list[int] = []
    for price in sorted(prices, key=lambda price: -price.peak_bytes):
        if price.peak_bytes > (1 + SAME) * plain.peak_bytes:
            if levels and price.peak_bytes >= (1 - SAME) * levels[-1]:
                levels[-1] = price.peak_bytes
            else:
                levels.append(price.peak_bytes)
    count = min(LEVELS, len(levels))
    for index in range(count):
        level = levels[(index + 1) * len(levels) // count - 1]
        yield "peak", frozenset(price.add for price in prices if price.peak_bytes >= level)


def _by_time(prices: Sequence[Price], plain: Choice) -> Iterator[tuple[str, frozenset[str]]]:
    """The dearest shortcuts that together take a share of the time of all."""
    costly = sorted((price for price in prices if price.ms > plain.ms), key=lambda price: -price.ms)
    total = sum(price.ms - plain.ms for price in costly)
    for share in SHARES:
        saved, adds = 0.0, set[str]()
        for price in costly:
            if saved >= share * total:
                break
            adds.add(price.add)
            saved += price.ms - plain.ms
        yield "time", frozenset(adds)


def lone_drafts(traced: Traced, plan: Plan) -> tuple[Mapping[str, Make], Mapping[str, str]]:
    """Graphs that keep one shortcut and lose all others, one for each structure; and which one stands for whom.

    Blocks of equal layers and shapes, between neighbours of equal ones, have one price.
    """
    stands_for: dict[str, str] = {}
    firsts: dict[str, str] = {}
    graphs = dict[str, Make]()
    for region in plan.removable:
        first = firsts.setdefault(_structure(traced, region), region.add)
        stands_for[region.add] = first
        if first == region.add:
            others = [other for other in plan.removable if other is not region]
            graphs[first] = partial(remove_shortcuts, traced.module, others)
    return graphs, stands_for


def _structure(traced: Traced, region: Region) -> str:
    """Text that is equal for shortcuts whose blocks, and the nodes next to these, have equal layers and shapes."""
    nodes = {node.name: node for node in traced.module.graph.nodes}
    add, fork = nodes[region.add], nodes[region.fork]
    inside = [fork, *(nodes[name] for name in (*region.body, *region.shortcut)), add]
    beside = [*fork.all_input_nodes, *fork.users, *add.users, *(user for after in add.users for user in after.users)]
    told = [f"{kind_of(node)} {shape_of(node)} {module_of(traced.module, node)}" for node in (*inside, *beside)]
    return "\n".join([*told, *region.scale])

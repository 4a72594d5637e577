"""The template and tile of a workload: the one that was tuned, else the best default; and all others in order.

The best is the fastest, the smallest, or something of both, as the machine says (``Machine.optimize``). Where size
counts, tuning may choose any tile whose weights are no larger than the default's.

Tuning tries them so that a search that is cut short has seen the best-looking tiles of every template:
1. the default,
2. the other templates' cheapest tiles, each template's in turn,
3. until all are listed.

``templates``, everywhere: those to choose from, all that are registered if not given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import zip_longest
from math import inf
from typing import Any

from rdpass.core.errors import TargetError
from rdpass.core.optimization import SIZE, SPEED
from rdpass.kernels.builder.function import made_for
from rdpass.kernels.machine import Machine
from rdpass.kernels.registry import all_templates
from rdpass.kernels.template import Kernel, Template, Templates, Tile
from rdpass.kernels.workload import Workload


@dataclass(frozen=True)
class Ranked:
    """A tile and the cycles it is estimated to take; 0 where there is no estimate."""

    tile: Tile
    cycles: float


def choose(
    work: Workload, machine: Machine, tuned: Mapping[Workload, Tile], templates: Templates | None = None
) -> Tile:
    """The tile that ``tuned`` has for ``work``; without one the default."""
    return tuned.get(work) or choose_default(work, machine, templates)


def choose_default(work: Workload, machine: Machine, templates: Templates | None = None) -> Tile:
    """The tile when nothing was tuned: of the templates' defaults the best, the last of equals.

    Raises:
        TargetError: no template computes ``work`` on ``machine``; the message has each one's reason.
    """
    return _default(work, machine, _known(templates)).tile


def default_cost(work: Workload, machine: Machine, templates: Templates | None = None) -> float:
    """Cycles by the cost model when nothing was tuned.

    Raises:
        TargetError: as ``choose_default``.
    """
    return _default(work, machine, _known(templates)).cycles


@lru_cache(maxsize=1024)
def _default(work: Workload, machine: Machine, templates: Templates) -> Ranked:
    """Networks have most layers several times, and are asked for again with their shortcuts taken out."""
    defaults = ((template, template.default(work, machine)) for template in _accepting(work, machine, templates))
    found = [(template, tile) for template, tile in defaults if tile is not None]
    if not found:
        reasons = "; ".join(refusals(work, machine, templates).values()) or "no template serves such workloads"
        raise TargetError(f"no kernel computes {work.describe()} with {machine.isa.name}: {reasons}")
    # Of equals the last: the first, the other way round.
    template, tile = min(reversed(found), key=lambda pair: pair[0].preference(work, pair[1], machine))
    return Ranked(tile, template.cost(work, tile, machine))


def transform_bytes(work: Workload, tile: Tile, machine: Machine, templates: Templates | None = None) -> int:
    """Bytes by which packed weights exceed those of the smallest kernel for ``work``: what speed costs of size."""
    smallest = choose_default(work, replace(machine, optimize=SIZE), templates)
    more = weight_bytes(work, tile, machine, templates) - weight_bytes(work, smallest, machine, templates)
    return max(0, more)


def weight_bytes(work: Workload, tile: Tile, machine: Machine, templates: Templates | None = None) -> int:
    """Bytes of the packed weights of ``work`` with ``tile``."""
    return template_of(tile, templates).weight_bytes(work, tile, machine)


def memory_bytes(work: Workload, tile: Tile, machine: Machine, templates: Templates | None = None) -> float:
    """Bytes that one thread's kernel has from memory by the cost model; 0 where it knows nothing of them.

    They are what a slower memory adds to the cost.
    """
    alone = replace(machine, threads=1, l2=max(machine.l2, machine.last))
    cost = template_of(tile, templates).cost
    slow, fast = (cost(work, tile, replace(alone, bandwidth=bytes_a_cycle)) for bytes_a_cycle in (1.0, inf))
    return slow - fast


def rank_tiles(work: Workload, machine: Machine, templates: Templates | None = None) -> tuple[Ranked, ...]:
    """Every tile that ``work`` may have, each once, in the order above."""
    by_label: dict[str, list[Ranked]] = {}
    for ranked in sorted(_candidates(work, machine, templates), key=lambda ranked: ranked.cycles):
        if _is_small_enough(work, ranked.tile, machine, templates):
            by_label.setdefault(label(ranked.tile, templates), []).append(ranked)
    in_turn = [ranked for row in zip_longest(*by_label.values()) for ranked in row if ranked is not None]
    default = choose_default(work, machine, templates)
    first = next((ranked for ranked in in_turn if ranked.tile == default), Ranked(default, 0.0))
    return tuple(dict.fromkeys((first, *in_turn)))


def is_tile_of(work: Workload, tile: Tile, machine: Machine, templates: Templates | None = None) -> bool:
    """Tell whether ``tile`` is one that ``work`` may have on ``machine``."""
    template = template_of(tile, templates)
    if template not in _accepting(work, machine, templates):
        return False
    listed = template.has(work, tile, machine) and _is_small_enough(work, tile, machine, templates)
    return listed or tile == choose_default(work, machine, templates)


def _is_small_enough(work: Workload, tile: Tile, machine: Machine, templates: Templates | None) -> bool:
    """Tell whether the weights are no larger than the default's, where that matters."""
    if machine.optimize == SPEED:
        return True
    default = choose_default(work, machine, templates)
    return weight_bytes(work, tile, machine, templates) <= weight_bytes(work, default, machine, templates)


def build_kernels(
    work: Workload, constants: Sequence[Any], tile: Tile, machine: Machine, templates: Templates | None = None
) -> tuple[Kernel, ...]:
    """The kernels that compute a workload one after the other: two of a pair that comes apart, else one."""
    template = template_of(tile, templates)
    if type(work) is not template.workload:
        raise TypeError(f"{tile} is no tile for {work}")
    with made_for((machine, tile)):
        return template.build(work, constants, tile, machine)


def computes(work: Workload, machine: Machine, templates: Templates | None = None) -> bool:
    """Tell whether any template computes ``work``."""
    return any(True for _ in _accepting(work, machine, templates))


def refusals(work: Workload, machine: Machine, templates: Templates | None = None) -> dict[str, str]:
    """The reasons of the templates for such workloads that do not compute this one, by their names."""
    found = ((template.name, template.refusal(work, machine)) for template in _serving(work, templates))
    return {name: reason for name, reason in found if reason is not None}


def label(tile: Tile, templates: Templates | None = None) -> str:
    """The word for the template and kind of a tile."""
    return template_of(tile, templates).label(tile)


def template_of(tile: Tile, templates: Templates | None = None) -> Template[Any, Any]:
    """The template that a tile belongs to."""
    return next(template for template in _known(templates) if template.tile is type(tile))


def _candidates(work: Workload, machine: Machine, templates: Templates | None) -> Iterator[Ranked]:
    for template in _accepting(work, machine, templates):
        yield from (Ranked(tile, template.cost(work, tile, machine)) for tile in template.tiles(work, machine))


def _accepting(work: Workload, machine: Machine, templates: Templates | None) -> Iterator[Template[Any, Any]]:
    return (template for template in _serving(work, templates) if template.refusal(work, machine) is None)


def _serving(work: Workload, templates: Templates | None) -> Iterator[Template[Any, Any]]:
    return (template for template in _known(templates) if template.workload is type(work))


def _known(templates: Templates | None) -> Templates:
    return all_templates() if templates is None else templates

"""Interface of a recipe: what it is given and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rdpass.core.comparison import NumericGate
from rdpass.core.plan import Merging, Outcome, Plan, Pruning, Traced
from rdpass.training.config import DistillConfig, with_defaults
from rdpass.training.request import Request


@dataclass(frozen=True)
class Removal:
    """A student in its final form, how each shortcut went, and what else was done: pruning, merging of pairs."""

    student: Traced
    outcomes: tuple[Outcome, ...]
    gates: tuple[NumericGate, ...]
    history: tuple[dict[str, float], ...] = ()
    pruning: Pruning | None = None
    merging: Merging | None = None


@dataclass(frozen=True)
class Recipe:
    """A way to lose shortcuts. ``remove`` takes those that ``Plan.removable`` lists; the graph it is given stays.

    ``removes``: whether it takes shortcuts; one that does not is for networks without any, too.
    ``merges_pairs``: whether it heeds ``student.merge_pairs``.
    ``defaults``: what the recipe wants of the settings that were left unsaid, ``{"lr": …, "paths": {"mixed": …}}``.
    """

    name: str
    needs_data: bool
    remove: Callable[[Traced, Plan, Request], Removal]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    removes: bool = True
    merges_pairs: bool = False

    def complete(self, config: DistillConfig) -> DistillConfig:
        """The settings with this recipe's defaults in the place of what was left unsaid; the same when asked again."""
        return with_defaults(config, self.defaults)

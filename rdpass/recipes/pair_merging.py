"""Shared by the recipes that train a student without shortcuts: pairs of 1x1 convolutions merge (``merge_pairs``)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn
from torch.fx import GraphModule

from rdpass.core.plan import Merging, Traced
from rdpass.passes.distill.find_pairs import find_pairs
from rdpass.passes.distill.merge_pairs import fade_activations, merge_pairs
from rdpass.passes.graph.layers import FadingActivation
from rdpass.passes.graph.pass_manager import Pass, run_passes
from rdpass.training.request import Request

log = logging.getLogger(__name__)

FADE = 0.5
"""The fraction of the training over which activations fade where no shortcut does: as long as the latter take."""


@dataclass(frozen=True)
class PairMerging:
    """What is merged, from the student's start to its fold; without ``merging`` nothing is asked for, and done."""

    merging: Merging | None

    def faded(self, student: GraphModule) -> GraphModule:
        """The student to train: the activations between the pairs can fade."""
        return fade_activations(student, self.merging.pairs) if self.merging is not None else student

    @property
    def folds(self) -> tuple[Callable[[GraphModule], GraphModule], ...]:
        """What is done to the student once the activations have faded."""
        pairs = self.merging.pairs if self.merging is not None else ()

        def merge(graph_module: GraphModule) -> GraphModule:
            return merge_pairs(graph_module, pairs)

        merge.__name__ = merge_pairs.__name__  # of the gate
        return (merge,) if pairs else ()

    def counterpart(self, plain: Traced) -> Traced:
        """The network that the student is to look like, from the one in which the pairs were found."""
        return run_passes(plain, [Pass(each.__name__, each, None) for each in self.folds])


def pairs_to_merge(plain: Traced, request: Request) -> PairMerging:
    """The pairs of ``plain``, the teacher without its shortcuts, if settings ask for them; tells if there are none."""
    if not request.config.student.merge_pairs:
        return PairMerging(None)
    merging = find_pairs(plain.module)
    if not merging.pairs:
        why = "; ".join(f"{each.add}: {each.reason}" for each in merging.skipped[:4])
        log.warning("no pair of 1x1 convolutions is worth merging%s", f" ({why})" if why else "")
    return PairMerging(merging)


def fade_pairs(student: nn.Module, faded: float) -> None:
    """Set how far the activations between the pairs have faded, 0 to 1, in place."""
    for module in student.modules():
        if isinstance(module, FadingActivation):
            module.strength = 1.0 - faded

"""Prepare the teacher's graph for training: remove what would keep a layer from folding."""

from __future__ import annotations

from dataclasses import replace

from rdpass.core.errors import ConfigError
from rdpass.core.plan import Plan, Region, Traced
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.graph.absorb_padding import absorb_padding
from rdpass.passes.graph.drop_checks import drop_checks
from rdpass.passes.graph.node_kinds import BATCH_NORMS
from rdpass.passes.graph.pass_manager import Pass, run_passes
from rdpass.training.request import Request

TOLERANCE = 1e-5


def prepared_teacher(teacher: Traced, *stages: Pass) -> Traced:
    """The teacher without assertions and what only passes on, padding inside its convolutions; then ``stages``.

    Raises:
        ConfigError: a batch norm would divide by zero in training, where a channel does not vary.
    """
    for name, module in teacher.module.named_modules():
        if isinstance(module, BATCH_NORMS) and module.eps <= 0:
            raise ConfigError(f"batch norm {name} has eps {module.eps}, which no training takes; set it to 1e-5")
    passes = (drop_checks, absorb_padding)
    ready = (*(Pass(each.__name__, each, TOLERANCE) for each in passes), *stages)
    return replace(run_passes(replace(teacher, gates=()), ready), gates=())


def chosen_regions(prepared: Traced, plan: Plan, request: Request) -> tuple[Region, ...]:
    """The shortcuts that ``plan`` lets go, as they are in the prepared graph.

    Without those that are no identities where ``keep_projections`` leaves them.
    """
    wanted = {region.add for region in plan.removable}
    regions, _ = take_census(prepared, request.only, request.skip)
    keep = request.config.student.keep_projections
    return tuple(r for r in regions if r.add in wanted and (not keep or r.kind == "identity" or not r.shortcut))

"""What every trained recipe does to the teacher's graph first: nothing that would keep a layer from folding stays."""

from __future__ import annotations

from dataclasses import replace

from rdpass.passes.fx.absorb_padding import absorb_padding
from rdpass.passes.fx.absorb_uneven_padding import absorb_uneven_padding
from rdpass.passes.fx.census import take_census
from rdpass.passes.fx.drop_checks import drop_checks
from rdpass.recipes.recipe import Request
from rdpass.staging import Stage, run_stages
from rdpass.types import Plan, Region, Traced

TOLERANCE = 1e-5


def prepared_teacher(teacher: Traced, *stages: Stage) -> Traced:
    """The teacher without assertions and what only passes on, padding inside its convolutions; then ``stages``."""
    passes = (drop_checks, absorb_padding, absorb_uneven_padding)
    ready = (*(Stage(each.__name__, each, TOLERANCE) for each in passes), *stages)
    return replace(run_stages(replace(teacher, gates=()), ready), gates=())


def chosen_regions(prepared: Traced, plan: Plan, request: Request) -> tuple[Region, ...]:
    """The shortcuts that ``plan`` lets go, as they are in the prepared graph.

    Without those that are no identities where ``keep_projections`` leaves them.
    """
    wanted = {region.add for region in plan.removable}
    regions, _ = take_census(prepared, request.only, request.skip)
    keep = request.config.student.keep_projections
    return tuple(r for r in regions if r.add in wanted and (not keep or r.kind == "identity" or not r.shortcut))

"""From a request to the objective over all paths: where the cuts are, and what the features are measured by."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from torch.fx import GraphModule

from rdpass.core.errors import ConfigError
from rdpass.core.plan import Cut, Plan, Traced
from rdpass.passes.analysis.shortcuts.find_cuts import find_cuts, named_cuts
from rdpass.passes.graph.editing import body_output
from rdpass.passes.graph.node_kinds import shape_of
from rdpass.recipes.feature_matching import FeatureMatching, last_batch_norm, margins_of
from rdpass.recipes.path_objective import PathObjective
from rdpass.training.objective import Listener, nothing_fades
from rdpass.training.request import Request


def path_objective(
    student: GraphModule,
    teacher: Traced,
    plan: Plan,
    request: Request,
    renamed: dict[str, str],
    on_progress: Listener = nothing_fades,
) -> PathObjective:
    """The objective that ``request.config.paths`` describes, on a copy of the teacher.

    ``renamed`` leads from the teacher's nodes to the student's where they differ: a deleted add to what its body gave.

    Where another teacher was given, it is copied in the place of ``teacher``, and there are no paths through it.

    Raises:
        ConfigError: a cut or path that the user named is not there, no path is left, or paths or features of another
            teacher are asked for.
    """
    options = request.config.paths
    if request.teacher is not None and (options.mixed or options.features > 0):
        raise ConfigError(
            "mixed paths and features go through the model that is converted: leave them out where another teacher is"
            " given (--set train.paths.mixed=false, train.paths.features=0)"
        )
    found = find_cuts(teacher.module, plan.regions)
    cuts = named_cuts(teacher.module, student, options.cuts, renamed) if options.cuts else found[:-1]
    unknown = set(options.off) - {cut.node for cut in cuts}
    if unknown:
        raise ConfigError(f"no path at {', '.join(sorted(unknown))} to leave out; cuts: {[cut.node for cut in cuts]}")
    chosen = [cut.node for cut in cuts if options.mixed and cut.node not in options.off]
    if not chosen and not options.own:
        raise ConfigError("no path is left to train on: neither the student's own nor a mixed one")
    feature = found[-1] if options.features > 0 else None
    return PathObjective(
        student,
        deepcopy((request.teacher or teacher).module),
        request.criteria,
        options,
        {name: renamed.get(name, name) for name in chosen},
        {cut.node: renamed.get(cut.node, cut.node) for cut in found},
        (feature.node, renamed.get(feature.node, feature.node)) if feature is not None else None,
        _matching(teacher, plan, feature, options.transform) if feature is not None else None,
        on_progress,
    )


def _matching(teacher: Traced, plan: Plan, feature: Cut, transform: bool) -> Callable[[], FeatureMatching]:
    node = teacher.node(feature.node)
    shape = shape_of(node) or ()
    margins = None
    if transform:
        region = next(region for region in plan.regions if region.add == feature.node)
        margins = margins_of(last_batch_norm(teacher.module, body_output(node, region).name))
    return lambda: FeatureMatching(shape[1], len(shape) - 2, margins)

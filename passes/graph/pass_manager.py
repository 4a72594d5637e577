"""Runs fx passes one after another and holds each to its promise: a sound graph, and the numbers it said it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch.fx import GraphModule

from rdpass.core.agreement import check_agreement
from rdpass.core.dump import dump
from rdpass.core.errors import ParityError, PassError
from rdpass.core.plan import Traced
from rdpass.passes.graph.annotate import annotate


@dataclass(frozen=True)
class Pass:
    """A pass by name. ``tolerance``: how far the values may move, relative; None where they change on purpose."""

    name: str
    run: Callable[[GraphModule], GraphModule]
    tolerance: float | None


def run_passes(traced: Traced, stages: Sequence[Pass]) -> Traced:
    """The graph after all stages, annotated with shapes, with the gate of each that keeps values.

    Raises:
        ParityError: a stage moved the values by more than it promised; named, with what ran before it.
        PassError: a stage left a graph that is not sound.
    """
    done: list[str] = []
    for stage in stages:
        try:
            module = stage.run(traced.module)
            module.graph.lint()
            annotate(module, traced.example)
            if stage.tolerance is not None:
                gate = check_agreement(stage.name, module, traced.module, traced.example, stage.tolerance)
                traced = replace(traced, gates=(*traced.gates, gate))
        except ParityError as error:
            raise ParityError(f"{error} (after {', '.join(done) or 'no other pass'})") from error
        except RuntimeError as error:
            raise PassError(f"{stage.name} (after {', '.join(done) or 'no other pass'}): {error}") from error
        dump(stage.name, module)
        traced = replace(traced, module=module)
        done.append(stage.name)
    return traced

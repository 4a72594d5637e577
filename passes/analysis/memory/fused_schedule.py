"""A graph's kernels and their best schedule, under one way of fusing; what ``Memory`` sums up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rdpass.core.plan import Memory
from rdpass.passes.analysis.memory.buffers import Inference
from rdpass.passes.analysis.memory.fusion_groups import Adds, Step, fusion_groups
from rdpass.passes.analysis.memory.liveness import Problem, Task
from rdpass.passes.analysis.memory.schedule import Schedule, schedule


@dataclass(frozen=True)
class FusedSchedule:
    """Kernels in the graph's order, and the order they run in."""

    steps: tuple[Step, ...]
    problem: Problem
    schedule: Schedule

    @property
    def running(self) -> tuple[Step, ...]:
        """The kernels in the order they run in."""
        return tuple(self.steps[index] for index in self.schedule.order)

    @property
    def memory(self) -> Memory:
        return Memory(
            kernels=len(self.steps),
            feature_bytes=sum(step.bytes for step in self.steps),
            peak_bytes=self.schedule.peak,
            at_least_bytes=self.schedule.at_least,
            read_bytes=sum(step.read_bytes for step in self.steps),
            written_bytes=sum(step.bytes for step in self.steps),
            schedule="optimal" if self.schedule.optimal else "greedy",
        )


def fused_schedule_of(inference: Inference, adds: Adds = "fused", tiles: bool = False) -> FusedSchedule:
    """The schedule of a network whose adds and neighbours are fused as ``fusion_groups`` says."""
    steps = fusion_groups(inference, adds, tiles)
    problem = _problem_of(inference, steps)
    return FusedSchedule(steps, problem, schedule(problem))


def _problem_of(inference: Inference, steps: Sequence[Step]) -> Problem:
    """The scheduling problem of a network's kernels."""
    names = [*inference.inputs, *(step.writes for step in steps)]
    number = {name: index for index, name in enumerate(names)}
    return Problem(
        sizes=(*inference.inputs.values(), *(step.bytes for step in steps)),
        inputs=len(inference.inputs),
        tasks=tuple(
            Task(tuple(number[name] for name in step.reads), tuple(number[name] for name in step.over))
            for step in steps
        ),
        outputs=frozenset(number[name] for name in inference.outputs),
    )

"""What is left to run, with the time it may take: a plan for a window on a machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.research.arms.bench import Machine
from benchmarks.research.grids.grid import Run
from benchmarks.research.runs.estimates import estimate
from benchmarks.research.runs.records import Record
from benchmarks.research.runs.teachers import teacher_path


def planned(
    runs: Sequence[Run], records: Sequence[Record], machine: Machine, jobs: int, window: float
) -> Iterator[str]:
    """A line for each run: its seconds, its teacher's where that is not there yet, and when it would be through.

    Jobs are taken to share the work evenly and not to slow each other down: on one GPU a hope.
    """
    total, teachers = 0.0, set()
    yield "estimate   through at   run"
    for run in runs:
        guess = estimate(run, machine.name, records)
        path = teacher_path(run.cell.net, run.cell.protocol, run.seed, machine)
        new = path not in teachers and not path.exists()
        teachers.add(path)
        total += guess.seconds + (guess.teacher_seconds if new else 0.0)
        late = "  (beyond --seconds)" if total / jobs > window else ""
        extra = f" + teacher {guess.teacher_seconds:.0f}" if new else ""
        yield f"{guess.seconds:7.0f} s {total / jobs:9.0f} s   {run.title}{extra}{late}"
    source = "recorded runs on this device" if runs and guess.measured else "no recorded run: an assumption"
    yield f"{len(runs)} runs, about {total / jobs:.0f} s with {jobs} job{'s' if jobs > 1 else ''} ({source})"

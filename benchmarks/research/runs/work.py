"""One run after another until nothing is left, shared with whatever other processes are at the same grid."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.research.arms.bench import Machine
from benchmarks.research.claims import claim
from benchmarks.research.grids.grid import Run
from benchmarks.research.runs.making import has_teacher, make
from benchmarks.research.runs.records import Record, add_record, read_records
from rdpass.core.errors import RdpassError

WAIT = 1.0  # seconds before looking again at what another process is busy with


@dataclass
class Work:
    """The runs of a grid in their order, what is recorded of them, and where they are made.

    ``failed``: what went wrong with which run; those are left alone by this process from then on.
    """

    runs: Sequence[Run]
    results: Path
    machine: Machine
    failed: dict[str, RdpassError] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Record]:
        """Make what is not recorded yet, giving each new record; what other processes hold is left to them."""
        while pending := self.pending():
            made = 0
            for run in pending:
                with claim(self.machine.folder / "claims", f"{run.grid}-{run.identity}") as ours:
                    if ours and missing([run], self.results) and (record := self._record(run)):
                        add_record(self.results, record)
                        made += 1
                        yield record
            if not made and self.pending():
                time.sleep(WAIT)

    def pending(self) -> list[Run]:
        return [run for run in missing(self.runs, self.results) if run.identity not in self.failed]

    def _record(self, run: Run) -> Record | None:
        """None where the run has to wait for a teacher that another process trains, or can't be made."""
        known = _known_elsewhere(run, self.results, self.machine)
        try:
            return known or (make(run, self.machine) if has_teacher(run, self.machine) else None)
        except RdpassError as error:
            print(f"{run.title}: {error}", file=sys.stderr, flush=True)
            self.failed[run.identity] = error
            return None


def missing(runs: Sequence[Run], results: Path) -> list[Run]:
    """Those that have no line yet."""
    done = {record["id"] for record in read_records(results)}
    return [run for run in runs if run.identity not in done]


def _known_elsewhere(run: Run, results: Path, machine: Machine) -> Record | None:
    """The same run's line of another grid, beside ``results``, under this grid's names.

    Only from where it would be trained now: what another processor or GPU made stands in another table.
    """
    here = (machine.name, machine.processor)
    for path in sorted(results.parent.glob("*.jsonl")):
        for record in read_records(path):
            same = record["id"] == run.identity and (record.get("device"), record.get("processor", "")) == here
            if same and "grid" in record:
                return {**record, "grid": run.grid, "size": run.size, "arm": run.cell.arm.name}
    return None

"""Result rows of one runtime on one network, and how a separate process returns them."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rdpass.core.errors import DeviceError
from rdpass.core.numeric_types import SINGLE, Precision
from rdpass.profiling.runtimes.timing import Times, median, spread


@dataclass(frozen=True)
class Row:
    """One runtime on one graph. ``clock`` is what the median is of: CPU time with one thread, wall time with more.

    ``spread`` is first to ninth decile over the median. ``precision``: what it computes in. Where nothing could be
    timed, ``reason`` says why and the figures are ``None``.
    """

    runtime: str
    graph: str
    threads: int
    median_ms: float | None = None
    spread: float | None = None
    clock: str | None = None
    max_rel_error: float | None = None
    reason: str | None = None
    precision: Precision = SINGLE


def timed_row(runtime: str, graph: str, threads: int, times: Times, error: float, precision: Precision = SINGLE) -> Row:
    clock = "cpu" if threads == 1 else "wall"
    values = times.cpu if threads == 1 else times.wall
    return Row(
        runtime, graph, threads, round(median(values), 3), round(spread(values), 3), clock, error, precision=precision
    )


def rows_of_process(command: Sequence[str], threads: int) -> list[Row]:
    """The rows that ``command`` writes to the file named after ``--worker``, confined to as many cores as threads.

    Raises:
        DeviceError: the process died; the message carries the last thing it said.
    """
    environment = {**os.environ, "TVM_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "rows.json")
        done = subprocess.run(
            [*command, "--worker", str(out)],
            env=environment, capture_output=True, text=True, check=False, preexec_fn=_on_cores(threads),
        )  # fmt: skip
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
            raise DeviceError(f"the comparison with {threads} threads died ({done.returncode}): {said[-1]}")
        return [Row(**row) for row in json.loads(out.read_text())]


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write the file that ``rows_of_process`` reads. Runtimes print to stdout what they like."""
    path.write_text(json.dumps([asdict(row) for row in rows]))


def _on_cores(count: int) -> Callable[[], None]:
    """Confines a process to as many cores as it is to have threads, for runtimes that can't be told."""
    cores = sorted(os.sched_getaffinity(0))[:count]
    return lambda: os.sched_setaffinity(0, cores)

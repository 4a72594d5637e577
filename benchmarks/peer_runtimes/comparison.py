"""Our plain and residual networks against other runtimes': rows of times, and who is ahead of whom by how much."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.peer_runtimes.timing import Times, median, spread
from rdpass.errors import DeviceError

OURS = "rdpass"
GRAPHS = ("plain", "residual")
NETWORKS = {depth: {"plain": f"plain{depth[6:]}", "residual": depth} for depth in ("resnet50", "resnet18")}


@dataclass(frozen=True)
class Row:
    """One runtime on one graph. ``clock`` is what the median is of: CPU time with one thread, wall time with more.

    ``spread`` is first to ninth decile over the median. Where nothing could be timed, ``reason`` says why and the
    figures are ``None``.
    """

    runtime: str
    graph: str
    threads: int
    median_ms: float | None = None
    spread: float | None = None
    clock: str | None = None
    max_rel_error: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Ratio:
    """How many times as fast ours on ``graph`` is as ``runtime`` on ``peer_graph``: above 1, ours is ahead."""

    runtime: str
    graph: str
    peer_graph: str
    threads: int
    ratio: float


def timed_row(runtime: str, graph: str, threads: int, times: Times, error: float) -> Row:
    clock = "cpu" if threads == 1 else "wall"
    values = times.cpu if threads == 1 else times.wall
    return Row(runtime, graph, threads, round(median(values), 3), round(spread(values), 3), clock, error)


def ratios(rows: Sequence[Row]) -> tuple[Ratio, ...]:
    """Ours against every other runtime: on the same graph, and our plain network against its residual one."""
    found = {(row.runtime, row.graph, row.threads): row.median_ms for row in rows if row.median_ms}
    pairs = (("plain", "plain"), ("residual", "residual"), ("plain", "residual"))
    return tuple(
        Ratio(runtime, ours, theirs, threads, round(time / found[OURS, ours, threads], 3))
        for (runtime, graph, threads), time in found.items()
        for ours, theirs in pairs
        if runtime != OURS and graph == theirs and (OURS, ours, threads) in found
    )


def run_worker(script: Path, net: str, runtimes: Sequence[str], threads: int, rounds: int) -> list[Row]:
    """The rows of one number of threads, all runtimes and both graphs in one process of its own.

    Raises:
        DeviceError: the process died; the message carries the last thing it said.
    """
    environment = {**os.environ, "TVM_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "rows.json")
        command = [sys.executable, str(script), "--net", net, "--peers", ",".join(runtimes), "--rounds", str(rounds)]
        done = subprocess.run(
            [*command, "--threads", str(threads), "--worker", str(out)],
            env=environment, capture_output=True, text=True, check=False, preexec_fn=_on_cores(threads),
        )  # fmt: skip
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
            raise DeviceError(f"the comparison with {threads} threads died ({done.returncode}): {said[-1]}")
        return [Row(**row) for row in json.loads(out.read_text())]


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """What ``run_worker`` reads. Runtimes print to stdout what they like."""
    path.write_text(json.dumps([asdict(row) for row in rows]))


def _on_cores(count: int) -> Callable[[], None]:
    """Confines a process to as many cores as it is to have threads, for runtimes that can't be told."""
    cores = sorted(os.sched_getaffinity(0))[:count]
    return lambda: os.sched_setaffinity(0, cores)

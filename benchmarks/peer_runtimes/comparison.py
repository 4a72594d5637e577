"""Our plain and residual networks against other runtimes': who is ahead of whom by how much."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rdpass.profiling.runtimes.catalogue import OURS
from rdpass.profiling.runtimes.rows import Row, rows_of_process

GRAPHS = ("plain", "residual")
NETWORKS = {depth: {"plain": f"plain{depth[6:]}", "residual": depth} for depth in ("resnet50", "resnet18")}


@dataclass(frozen=True)
class Ratio:
    """How many times as fast ours on ``graph`` is as ``runtime`` on ``peer_graph``: above 1, ours is ahead."""

    runtime: str
    graph: str
    peer_graph: str
    threads: int
    ratio: float


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
    command = [sys.executable, str(script), "--net", net, "--peers", ",".join(runtimes), "--rounds", str(rounds)]
    return rows_of_process([*command, "--threads", str(threads)], threads)

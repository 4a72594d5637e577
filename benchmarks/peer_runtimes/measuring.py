"""Times every runtime on both graphs of a network, in this process, with one number of threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from benchmarks.networks import reference_file
from benchmarks.peer_runtimes.catalogue import RUNTIMES
from benchmarks.peer_runtimes.comparison import GRAPHS, NETWORKS, Row, timed_row
from benchmarks.peer_runtimes.timing import interleaved
from benchmarks.peer_runtimes.workload import Inference, Workload, workload
from rdpass.comparison import relative_error
from rdpass.emulation.plugin import cache_folder

TOLERANCE = 1e-3
"""A runtime that is further than this from torch computes something else (half precision, say), and is not compared."""


def measure(net: str, runtimes: Sequence[str], threads: int, rounds: int) -> list[Row]:
    """A row for each runtime and graph; one that can't be timed says why."""
    cores = len(os.sched_getaffinity(0))
    if cores < threads:
        reason = f"this host gives {cores} core to {threads} threads"
        return [Row(runtime, graph, threads, reason=reason) for graph in GRAPHS for runtime in runtimes]
    models = cache_folder() / "models"
    loads = {
        graph: workload(name, reference_file(name, models), cache_folder() / "peers")
        for graph, name in NETWORKS[net].items()
    }
    ready: dict[tuple[str, str], Inference] = {}
    errors: dict[tuple[str, str], float] = {}
    refused: list[Row] = []
    for graph, load in loads.items():
        for runtime in runtimes:
            try:
                inference, error = _checked(runtime, load, threads)
                ready[runtime, graph], errors[runtime, graph] = inference, error
            except Exception as problem:  # other people's code raises anything
                refused.append(Row(runtime, graph, threads, reason=_reason(problem)))
    calls = {key: partial(inference, loads[key[1]].x) for key, inference in ready.items()}
    times = interleaved(calls, rounds)
    return [*(timed_row(*key, threads, times[key], errors[key]) for key in ready), *refused]


def _checked(runtime: str, load: Workload, threads: int) -> tuple[Inference, float]:
    inference = RUNTIMES[runtime](load, threads)
    error = relative_error(inference(load.x).reshape(load.expected.shape), load.expected)
    if not error <= TOLERANCE:
        raise ValueError(f"its output differs from torch's by {error:.2g} relative")
    return inference, error


def _reason(problem: BaseException) -> str:
    while problem.__cause__ is not None:
        problem = problem.__cause__
    if isinstance(problem, ModuleNotFoundError) and problem.name:
        return f'{problem.name} is not installed; pip install "rdpass[peers]"'
    line = next(iter(str(problem).strip().splitlines()), "")
    return f"{type(problem).__name__}: {line}" if line else type(problem).__name__

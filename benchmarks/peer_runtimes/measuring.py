"""Times every runtime on both graphs of a network, in this process, with one number of threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from benchmarks.networks import reference_file
from benchmarks.peer_runtimes.catalogue import RUNTIMES
from benchmarks.peer_runtimes.comparison import GRAPHS, NETWORKS
from rdpass.deploy.precision import RUNTIME_TOLERANCES
from rdpass.profiling.emulation.plugin import cache_folder
from rdpass.profiling.runtimes.checking import checked, reason_of
from rdpass.profiling.runtimes.rows import Row, timed_row
from rdpass.profiling.runtimes.timing import interleaved
from rdpass.profiling.runtimes.workload import Inference, workload


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
                inference, error = checked(RUNTIMES[runtime], load, threads, RUNTIME_TOLERANCES[load.precision])
                ready[runtime, graph], errors[runtime, graph] = inference, error
            except Exception as problem:  # other people's code raises anything
                refused.append(Row(runtime, graph, threads, reason=reason_of(problem)))
    calls = {key: partial(inference, loads[key[1]].x) for key, inference in ready.items()}
    times = interleaved(calls, rounds)
    return [*(timed_row(*key, threads, times[key], errors[key]) for key in ready), *refused]

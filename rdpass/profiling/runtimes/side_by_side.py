"""A bundle of this host beside other runtimes on the ONNX model it was built from: in turns, in one process.

python -m rdpass.profiling.runtimes.side_by_side BUNDLE FILE.onnx RUNTIME,... THREADS ROUNDS --worker ROWS.json
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from rdpass.core.errors import ConfigError
from rdpass.core.files import file_digest
from rdpass.core.numeric_types import Precision
from rdpass.deploy.bundle.manifest import open_sealed, opened
from rdpass.deploy.bundle.runner import check_cpu
from rdpass.deploy.bundle.verification import read_golden
from rdpass.deploy.precision import RUNTIME_TOLERANCES, TOLERANCES
from rdpass.onnx.pinned_file import pinned_file
from rdpass.profiling.emulation.plugin import cache_folder
from rdpass.profiling.runtimes.bundle import load_bundle
from rdpass.profiling.runtimes.catalogue import OURS, SHORT, Loader, runtimes
from rdpass.profiling.runtimes.checking import checked, reason_of
from rdpass.profiling.runtimes.rows import Row, rows_of_process, timed_row, write_rows
from rdpass.profiling.runtimes.timing import interleaved
from rdpass.profiling.runtimes.workload import Inference, Workload

GRAPH = "model"


@dataclass(frozen=True)
class Standing:
    """Speed of ours relative to ``runtime``: below 1, ours loses."""

    runtime: str
    ratio: float


def compare(bundle: Path, onnx: Path, names: Sequence[str], threads: int, rounds: int) -> tuple[Row, ...]:
    """A row for ours and for each runtime named; one that can't be timed says why.

    Raises:
        ConfigError: a name is unknown or its package can't be loaded, or the model is not the bundle's or has several
            inputs or outputs.
        IntegrityError: the bundle is spoiled, or not for this CPU.
        DeviceError: a runtime took the process down.
    """
    chosen = [SHORT.get(name, name) for name in names]
    _check_known(chosen)
    manifest = open_sealed(bundle)
    check_cpu(bundle, manifest)
    _check_model(onnx, bundle, manifest.source)
    if len(manifest.inputs) != 1 or len(manifest.outputs) != 1:
        raise ConfigError("other runtimes are compared on networks of one input and one output")
    command = [
        sys.executable,
        "-P",
        "-m",
        "rdpass.profiling.runtimes.side_by_side",
        str(bundle),
        str(onnx),
        ",".join(chosen),
    ]
    return tuple(rows_of_process([*command, str(threads), str(rounds)], threads))


def standings(rows: Sequence[Row]) -> tuple[Standing, ...]:
    """Ours against every other runtime that could be timed."""
    times = {row.runtime: row.median_ms for row in rows if row.median_ms}
    ours = times.get(OURS)
    return tuple(Standing(name, round(time / ours, 3)) for name, time in times.items() if ours and name != OURS)


def measure(bundle: Path, onnx: Path, names: Sequence[str], threads: int, rounds: int) -> list[Row]:
    """The rows, timed in this process; TVM has read its number of threads from ``TVM_NUM_THREADS``."""
    cores = len(os.sched_getaffinity(0))
    if cores < threads:
        return [Row(name, GRAPH, threads, reason=f"this host gives {cores} core to {threads} threads")
                for name in (OURS, *names)]  # fmt: skip
    work = _workload(bundle, onnx)
    own = float(open_sealed(bundle).golden["tolerance"])
    ready: dict[str, Inference] = {}
    errors: dict[str, float] = {}
    refused: list[Row] = []
    for name in (OURS, *names):
        try:
            allowed = max(_tolerance(name, work), own if name == OURS else 0.0)
            ready[name], errors[name] = checked(_loader(name, bundle), work, threads, allowed)
        except Exception as problem:  # other people's code raises anything
            refused.append(Row(name, GRAPH, threads, reason=reason_of(problem), precision=_precision(name, work)))
    times = interleaved({name: partial(inference, work.x) for name, inference in ready.items()}, rounds)
    rows = (timed_row(name, GRAPH, threads, times[name], errors[name], _precision(name, work)) for name in ready)
    return [*rows, *refused]


def _precision(name: str, work: Workload) -> Precision:
    return work.precision if name == OURS else work.theirs


def _tolerance(name: str, work: Workload) -> float:
    return (TOLERANCES if name == OURS else RUNTIME_TOLERANCES)[work.precision]


def _check_known(names: Sequence[str]) -> None:
    unknown = [name for name in names if runtimes.get(name) is None]
    if unknown or not names:
        known = ", ".join([*SHORT, *runtimes.names()])
        hint = runtimes.hint(unknown[0], SHORT) if unknown else ""
        raise ConfigError(f"no runtime is called {', '.join(unknown) or 'nothing'}; known are {known}{hint}")


def _loader(name: str, bundle: Path) -> Loader:
    """Ours or another's; one that was registered, and not offered by a package, is not known to this process."""
    return partial(load_bundle, bundle) if name == OURS else runtimes.find(name)


def _check_model(onnx: Path, bundle: Path, digest: str) -> None:
    try:
        same = file_digest(onnx) == digest
    except OSError as error:
        raise ConfigError(f"{onnx} can't be read: {error.strerror}") from error
    if not same:
        raise ConfigError(f"{onnx} is not the model that {bundle} was built from")


def _workload(bundle: Path, onnx: Path) -> Workload:
    with opened(bundle) as (copy, manifest):
        (x,), (expected,) = read_golden(copy, manifest, "inputs"), read_golden(copy, manifest, "outputs")
    folder = cache_folder() / "peers"
    file = pinned_file(onnx.absolute(), manifest.inputs, folder)
    return Workload(onnx.stem, file, folder, np.ascontiguousarray(x), expected, manifest.precision)


def main() -> None:
    bundle, onnx, names, threads, rounds, _, out = sys.argv[1:]
    write_rows(measure(Path(bundle), Path(onnx), names.split(","), int(threads), int(rounds)), Path(out))
    os._exit(0)  # without joining the runtimes' threads, whose idle ones may take long to notice


if __name__ == "__main__":
    main()

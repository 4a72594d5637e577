"""This project: a bundle built for this host, as ``rdpass.load`` runs it."""

from __future__ import annotations

from pathlib import Path

from rdpass.core.comparison import Array
from rdpass.deploy.bundle.runner import load
from rdpass.profiling.runtimes.workload import Inference, Workload


def load_bundle(bundle: Path, work: Workload, threads: int) -> Inference:
    """TVM reads its number of threads from ``TVM_NUM_THREADS`` when it starts them: the caller has set it."""
    runner = load(bundle)

    def infer(x: Array) -> Array:
        output = runner(x, allow_nonfinite=True)  # the scan for NaN is none of the inference: no other does it
        assert not isinstance(output, tuple)
        return output

    return infer

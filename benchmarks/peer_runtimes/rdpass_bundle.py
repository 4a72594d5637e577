"""This project: a bundle for this host, as ``rdpass compile`` builds it and ``rdpass.load`` runs it."""

from __future__ import annotations

from rdpass.building import compile
from rdpass.comparison import Array
from rdpass.emulation.network_build import source_digest
from rdpass.peers.workload import Inference, Workload
from rdpass.runner import load
from rdpass.targets import host_target


def load_rdpass(workload: Workload, threads: int) -> Inference:
    """TVM reads its number of threads from ``TVM_NUM_THREADS`` when it starts them: the caller has set it."""
    target = host_target()
    folder = workload.kept("bundle", target.cpu, source_digest())
    if not folder.exists():
        compile(workload.onnx, target, folder, show_progress=False)
    runner = load(folder)

    def infer(x: Array) -> Array:
        output = runner(x)
        assert not isinstance(output, tuple)
        return output

    return infer

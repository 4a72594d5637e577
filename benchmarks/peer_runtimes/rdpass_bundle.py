"""This project: a bundle for this host, as ``rdpass compile`` builds it and ``rdpass.load`` runs it."""

from __future__ import annotations

from rdpass.deploy.bundle.building import compile
from rdpass.profiling.emulation.network_build import source_digest
from rdpass.profiling.runtimes.bundle import load_bundle
from rdpass.profiling.runtimes.workload import Inference, Workload
from rdpass.targets.lookup import host_target


def load_rdpass(workload: Workload, threads: int) -> Inference:
    """The workload's bundle, built where there is none."""
    target = host_target()
    folder = workload.kept("bundle", target.cpu, source_digest())
    if not folder.exists():
        compile(workload.onnx, target, folder, show_progress=False)
    return load_bundle(folder, workload, threads)

"""ExecuTorch with all that its XNNPACK backend takes handed to that. It has to have the network as a torch module."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.networks import reference_network
from rdpass.capture.trace import trace
from rdpass.core.comparison import Array
from rdpass.passes.graph.deploy_form import DEPLOY_FORM
from rdpass.passes.graph.pass_manager import run_passes
from rdpass.profiling.runtimes.workload import Inference, Workload


def load_executorch(workload: Workload, threads: int) -> Inference:
    """Its pool has as many threads as the machine has cores unless it is told, and only this tells it."""
    from executorch.extension.pybindings import _C
    from executorch.runtime import Runtime

    _C._unsafe_reset_threadpool(threads)
    program: Any = Runtime.get().load_program(str(_converted(workload)))
    method = program.load_method("forward")

    def infer(x: Array) -> Array:
        return np.asarray(method.execute([torch.from_numpy(x)])[0])

    return infer


def _converted(workload: Workload) -> Path:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    place = workload.kept("model.pte", version("executorch"))
    if not place.exists():
        network, example = reference_network(workload.name)
        deployed = run_passes(trace(network, example), DEPLOY_FORM).module.eval()
        exported = torch.export.export(deployed, example)
        edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
        place.write_bytes(edge.to_executorch().buffer)
    return place

"""Every other runtime that takes an ONNX file, by the name it goes by on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rdpass.core.registry import Registry, a_callable
from rdpass.profiling.runtimes.mnn_session import load_mnn
from rdpass.profiling.runtimes.ncnn_net import load_ncnn
from rdpass.profiling.runtimes.onnx_runtime import load_onnxruntime
from rdpass.profiling.runtimes.openvino_model import load_openvino
from rdpass.profiling.runtimes.workload import Inference, Workload

Loader = Callable[[Workload, int], Inference]
"""Makes a runtime ready for a workload, with so many threads."""

OURS = "rdpass"
PEERS: Mapping[str, Loader] = {
    "onnxruntime": load_onnxruntime,
    "ncnn": load_ncnn,
    "mnn": load_mnn,
    "openvino": load_openvino,
}
SHORT = {"ort": "onnxruntime"}
"""Other names for them."""

runtimes: Registry[Loader] = Registry("runtime", "rdpass.runtimes", PEERS, a_callable("runtime"), (OURS, *SHORT))

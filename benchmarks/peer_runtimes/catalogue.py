"""Every runtime that is compared, by the name it goes by on the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.peer_runtimes.executorch_program import load_executorch
from benchmarks.peer_runtimes.mnn_session import load_mnn
from benchmarks.peer_runtimes.ncnn_net import load_ncnn
from benchmarks.peer_runtimes.onnx_runtime import load_onnxruntime
from benchmarks.peer_runtimes.openvino_model import load_openvino
from benchmarks.peer_runtimes.rdpass_bundle import load_rdpass
from benchmarks.peer_runtimes.workload import Inference, Workload

OURS = "rdpass"
PEERS: Mapping[str, Callable[[Workload, int], Inference]] = {
    "onnxruntime": load_onnxruntime,
    "ncnn": load_ncnn,
    "mnn": load_mnn,
    "openvino": load_openvino,
    "executorch": load_executorch,
}
RUNTIMES = {OURS: load_rdpass, **PEERS}

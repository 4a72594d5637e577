"""Fingerprints of a student's weights: the demo's training, whole or one epoch of it, in a process of its own.

Equal numbers of threads give equal weights, and other numbers others: sums are taken in another order. So the number
is set, for all of torch's libraries.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.demo import DATA, MODEL, TRAINING
from benchmarks.fingerprinting import digests

THREADS = 1
_THREADS_OF = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def student_fingerprint(epochs: int, side: Path | None = None) -> dict[str, Any]:
    """The digest of each of its tensors; the student goes into the folder ``side``, if given."""
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) if side is None else side
        words = ["convert", MODEL, "--data", DATA, "--epochs", str(epochs), *TRAINING, "-o", str(run), "--force"]
        threads = dict.fromkeys(_THREADS_OF, str(THREADS))
        subprocess.run([sys.executable, "-m", "rdpass", *words], env={**os.environ, **threads}, check=True)
        program = torch.export.load(run / "student.pt2")
    tensors = {**program.state_dict, **program.constants}
    return {
        "epochs": epochs,
        "threads": THREADS,
        "tensors": {name: tensor_digest(value) for name, value in tensors.items() if isinstance(value, torch.Tensor)},
    }


def tensor_digest(tensor: torch.Tensor) -> str:
    """Of its type, shape and every bit."""
    array = tensor.detach().cpu().contiguous().numpy()
    return digests.of_bytes(f"{array.dtype} {array.shape} ".encode() + array.tobytes())

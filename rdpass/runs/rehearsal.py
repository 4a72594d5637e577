"""A run is saved, read back in a fresh process and compared before its student is trained: nothing can fail at the end.

A fresh process holds nothing of the user's: no module of theirs, no class that torch was told of, no default that was
set. What is written is all that a run folder will be, with a student of the form that the trained one is going to have.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.files import work_folder
from rdpass.runs.folder import check_saved, write_run
from rdpass.runs.result import Conversion
from rdpass.runs.settings import ConvertConfig

_READ = """
import sys
import numpy, torch
from rdpass.core.errors import RdpassError
from rdpass.core.tensors import arrays_of
from rdpass.runs.folder import load_run

torch.set_num_threads(int(sys.argv[3]))
try:
    run = load_run(sys.argv[1])
    with torch.no_grad():
        outputs = run.student(*run.example)
except RdpassError as error:
    sys.exit(str(error))
numpy.savez(sys.argv[2], *arrays_of(outputs))
"""


def rehearse(conversion: Conversion, out: Path, settings: ConvertConfig) -> None:
    """Write a run folder beside ``out``, read it in a fresh process, compare the outputs, and remove it.

    Raises:
        ConfigError: it can't be written, or not be read without the model's code.
        ParityError: the student that was read gives other numbers.
    """
    with work_folder(out) as work:
        folder = work / "run"
        folder.mkdir()
        write_run(conversion, folder, settings)
        check_saved(read_elsewhere(folder), conversion)


def read_elsewhere(folder: Path) -> list[Array]:
    """What the student of a run folder gives on the run's example, in a process that knows the folder alone.

    Raises:
        ConfigError: the folder can't be read there; the message has the reason.
    """
    outputs = folder.with_name("outputs.npz")
    command = [sys.executable, "-P", "-c", _READ, str(folder), str(outputs), str(torch.get_num_threads())]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}  # a device is not needed, and takes seconds
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            check=False,
        )  # fmt: skip
    except OSError as error:
        raise ConfigError(f"a process to read the student in can't be started: {error.strerror}") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"the process ended with {done.returncode}"
        raise ConfigError(f"the student can be saved, but not be read in a fresh process: {reason}")
    with np.load(outputs, allow_pickle=False) as read:
        return [read[name] for name in read.files]

"""Runs a bundle's own runner on this machine, under an emulator where the bundle is for another CPU."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.errors import DeviceError, IntegrityError
from rdpass.deploy.bundle.manifest import Manifest

RUNNER = "run"


def execute(
    folder: Path,
    manifest: Manifest,
    launcher: Sequence[str],
    inputs: Sequence[Array],
    *,
    allow_nonfinite: bool = False,
) -> tuple[Array, ...]:
    """The outputs that ``folder/run`` writes for ``inputs``, arrays of the manifest's shapes and types.

    With ``allow_nonfinite`` it takes inputs with NaN and infinities, which the outputs may not show.

    Raises:
        IntegrityError: this CPU lacks what the bundle was built for.
        DeviceError: the runner failed or crashed; the message carries what it said.
    """
    with tempfile.TemporaryDirectory() as place:
        given = [Path(place, f"input_{index}.npy") for index in range(len(inputs))]
        written = [Path(place, f"output_{index}.npy") for index in range(len(manifest.outputs))]
        for path, value in zip(given, inputs, strict=True):
            np.save(path, np.asarray(value, order="C"))
        options = ["--allow-nonfinite"] if allow_nonfinite else []
        run_for_text(folder, launcher, [*options, *map(str, given), *map(str, written)])
        return tuple(np.load(path) for path in written)


def run_for_text(folder: Path, launcher: Sequence[str], arguments: Sequence[str]) -> str:
    """Run ``folder/run`` with ``arguments`` and return what it prints.

    Raises:
        IntegrityError: this CPU lacks what the bundle was built for.
        DeviceError: it failed or crashed.
    """
    command = [*launcher, str(folder.absolute() / RUNNER), *arguments]
    # A library path of the caller's would come before the bundle's own libraries.
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    if launcher:
        # TVM's threads give the core away 300 000 times before they sleep or end. On busy cores that takes minutes.
        environment.setdefault("TVM_THREAD_POOL_SPIN_COUNT", "0")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except OSError as error:
        raise DeviceError(f"{folder / RUNNER} can't be started: {error.strerror}") from error
    if done.returncode == IntegrityError.exit_code:
        raise IntegrityError(f"{folder}: {done.stderr.strip().removeprefix('run: ')}")
    if done.returncode:
        raise DeviceError(f"{folder / RUNNER} {_failure(done.returncode)}: {done.stderr.strip() or 'it said nothing'}")
    return done.stdout


def _failure(code: int) -> str:
    if code < 0:
        return f"crashed ({signal.Signals(-code).name})"
    return f"failed with exit code {code}"

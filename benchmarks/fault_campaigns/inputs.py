"""Inputs of a bundle's runner, of both kinds, with their bytes changed.

A trial survives if the runner ends with exit code 2 and one line, and writes nothing; or takes the file, where numpy
reads the same type and shape from it, and finite numbers.
"""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.fault_campaigns.bundles import KINDS
from benchmarks.fault_campaigns.trials import Tally, mutated, ran, small_network
from rdpass.deploy.bundle.building import compile

REFUSED = 2


def campaign(size: int, folder: Path) -> Tally:
    """``size`` runs."""
    tally, random = Tally("runner inputs"), Random(1)
    model = small_network(folder / "net.onnx")
    bundles = [compile(model, out=folder / f"{kind}.rdp", runtime=kind, show_progress=False).folder for kind in KINDS]
    given, out = folder / "x.npy", folder / "y.npy"
    while tally.tried < size:
        for bundle in bundles:
            given.write_bytes(_spoiled((bundle / "golden/input_0.npy").read_bytes(), random))
            out.unlink(missing_ok=True)
            code, said = ran([bundle / "run", given, out])
            refused = code == REFUSED and len(said.splitlines()) == 1 and not out.exists()
            tally.count(refused or (code == 0 and _is_input(given)), f"{given.read_bytes()[:80]!r}: {code} {said}")
    return tally


def _spoiled(good: bytes, random: Random) -> bytes:
    """Most faults lie in the header, which is where an .npy file says what it is."""
    if random.random() < 0.5:
        return mutated(good[:128], random) + good[128:]
    return mutated(good, random)


def _is_input(path: Path) -> bool:
    try:
        array = np.lib.format.read_array(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except (ValueError, EOFError):
        return False
    return array.shape == (1, 3, 6, 5) and array.dtype == np.float32 and bool(np.isfinite(array).all())

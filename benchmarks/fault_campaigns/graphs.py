"""Random ONNX graphs against ONNX Runtime: of sixty operators, odd sizes, uneven pads, several outputs.

A trial survives if the bundle gives ONNX Runtime's numbers, on an input that the build has not seen, or if the file is
refused with an error of rdpass's own. At most one in five may be refused, or the campaign says so as a fault.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx

from benchmarks.fault_campaigns.random_graphs import inputs_of, sound_graph
from benchmarks.fault_campaigns.trials import Tally, ended
from rdpass.core.comparison import Array
from rdpass.core.errors import RdpassError
from rdpass.deploy.bundle.building import compile
from rdpass.deploy.bundle.manifest import Runtime
from rdpass.onnx.oracle import run_onnx
from rdpass.targets.lookup import HOST

TOLERANCE = 1e-4
"""Of the largest number of an output, as the gates of float32 have it."""
KINDS: tuple[Runtime, ...] = ("vm", "none")


def campaign(size: int, folder: Path) -> Tally:
    """``size`` graphs, on this machine."""
    return _tried("random ONNX graphs", size, folder, HOST)


def emulated_campaign(size: int, folder: Path) -> Tally:
    """The first ``size`` of the same graphs, on an emulated board."""
    return _tried("the same, emulated", size, folder, "rpi4")


def _tried(name: str, size: int, folder: Path, target: str) -> Tally:
    tally, refused = Tally(name), Counter[str]()
    for seed in range(size):
        model = sound_graph(seed)
        path = folder / f"{seed}.onnx"
        onnx.save(model, path)
        survived, what = _outcome(path, target, KINDS[seed % 2], seed)
        refused.update([what] if survived and what else [])
        tally.count(survived, f"graph {seed}, {KINDS[seed % 2]}: {what}")
    if refused.total() > max(size / 5, 1):
        tally.count(False, f"{refused.total()} of {size} refused: {refused.most_common(5)}")
    return tally


def _outcome(path: Path, target: str, kind: Runtime, seed: int) -> tuple[bool, str]:
    """Whether the trial survived, and why not, or why it was refused."""
    try:
        bundle = compile(path, target, path.with_suffix(".rdp"), runtime=kind, show_progress=False)
    except RdpassError as error:
        # An inexact or a failed build is no refusal.
        return error.exit_code == _REFUSED, f"{type(error).__name__}: {error}"[:300]
    except Exception as error:  # that is what is looked for
        return False, f"{type(error).__name__}: {error}"[:300]
    inputs = inputs_of(onnx.load(path), seed + 1)
    expected = run_onnx(onnx.load(path), inputs)
    for index, (mine, theirs) in enumerate(zip(_given(bundle.folder, inputs, len(expected)), expected, strict=True)):
        if not (off := _error(mine, theirs)) <= TOLERANCE:
            return False, f"output {index} is off by {off:.2e}"
    return True, ""


_REFUSED = 2


def _given(bundle: Path, inputs: list[Array], outputs: int) -> list[Array]:
    """What the bundle's own runner gives."""
    places = [bundle.parent / f"{bundle.stem}-x{index}.npy" for index in range(len(inputs))]
    for place, x in zip(places, inputs, strict=True):
        np.save(place, x)
    outs = [bundle.parent / f"{bundle.stem}-y{index}.npy" for index in range(outputs)]
    code, said = ended(["run", bundle, *places, *(word for out in outs for word in ("-o", out)), "--force"])
    return [np.load(out) for out in outs] if code == 0 else [np.array(said)] * outputs


def _error(mine: Array, theirs: Array) -> float:
    if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
        return float("inf")
    largest = float(np.abs(theirs).max(initial=0))
    return float(np.abs(mine.astype(np.float64) - theirs).max(initial=0)) / (largest or 1.0)

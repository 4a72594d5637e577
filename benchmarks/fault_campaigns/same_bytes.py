"""One network built again and again where the surroundings differ: each bundle has the same files, byte for byte.

Hash seeds, locales, time zones, folders, masks, homes, caches, threads, two builds at once; both kinds of bundle, and
every fourth one int8.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np

from benchmarks.fault_campaigns.trials import SECONDS, Tally, small_network
from rdpass.deploy.bundle.manifest import Runtime
from rdpass.quantization import quantize

ROOT = Path(__file__).resolve().parents[2]
KINDS: tuple[Runtime, ...] = ("vm", "none")


@dataclass(frozen=True)
class Surroundings:
    """Where and how a build runs. ``home``: None for none at all."""

    variables: Mapping[str, str] = field(default_factory=dict)
    folder: str = "plain"
    umask: int = 0o022
    home: str | None = "home"
    options: tuple[str, ...] = ()


WAYS = (
    Surroundings({"PYTHONHASHSEED": "1"}),
    Surroundings({"PYTHONHASHSEED": "4294967295"}, folder="a folder with spaces, ä and ⊕"),
    Surroundings({"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}),
    Surroundings({"LC_ALL": "C", "PYTHONUTF8": "0"}),
    Surroundings({"TZ": "Pacific/Kiritimati"}),
    Surroundings({"TZ": "America/St_Johns"}, umask=0o077),
    Surroundings(umask=0o000),
    Surroundings(home=None),
    Surroundings(options=("--no-cache",)),
    Surroundings({"OMP_NUM_THREADS": "1", "TVM_NUM_THREADS": "1"}),
    Surroundings({"OMP_NUM_THREADS": "7", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONOPTIMIZE": "1"}),
)


def campaign(size: int, folder: Path) -> Tally:
    """``size`` builds in other surroundings, at two at a time; the first of each network is what they are held to."""
    tally, random = Tally("same bytes"), Random(6)
    models = (small_network(folder / "net.onnx"), _quantised(folder))
    expected: dict[tuple[Path, Runtime], dict[str, bytes]] = {}
    for number in range(0, size, 2):
        model, kind = models[number % 8 == 6], KINDS[number // 2 % 2]
        if (model, kind) not in expected:
            ((_, expected[model, kind]),) = _built_at_once([Surroundings()], model, kind, folder / f"first {number}")
        ways = [random.choice(WAYS) if number >= len(WAYS) else WAYS[each % len(WAYS)] for each in (number, number + 1)]
        for way, (said, files) in zip(ways, _built_at_once(ways, model, kind, folder / str(number)), strict=True):
            differing = sorted({name for name, _ in files.items() ^ expected[model, kind].items()})
            tally.count(files == expected[model, kind], f"{model.name}, {kind}, {way}: {differing} {said}")
    return tally


def _quantised(folder: Path) -> Path:
    images = np.random.default_rng(0).standard_normal((4, 3, 6, 5)).astype(np.float32)
    place = folder / "int8.onnx"
    quantize(
        folder / "net.onnx", calibrate=[image[None] for image in images], calibrator="minmax", out=place,
        show_progress=False,
    )  # fmt: skip
    return place


def _built_at_once(
    ways: list[Surroundings], model: Path, kind: Runtime, folder: Path
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """What each build said at the end, and the files of its bundle."""
    started = [(_started(way, model, kind, folder / str(index)), folder / str(index)) for index, way in enumerate(ways)]
    end = time.monotonic() + SECONDS
    for (process, place), way in zip(started, ways, strict=True):
        said = _last_words(process, end)
        yield said.decode(errors="replace")[-200:], _files(place / way.folder / "net.rdp")


def _last_words(process: subprocess.Popen[bytes], end: float) -> bytes:
    """What a build wrote to stderr; it is ended where it takes longer than until ``end``."""
    try:
        _, said = process.communicate(timeout=max(1.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return b"it did not end"
    return said


def _started(way: Surroundings, model: Path, kind: Runtime, place: Path) -> subprocess.Popen[bytes]:
    own = place / way.folder
    own.mkdir(parents=True)
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **way.variables}
    variables.pop("HOME", None)
    if way.home is not None:
        variables["HOME"] = str(place / way.home)
    command = [sys.executable, "-m", "rdpass", "compile", str(model), "--runtime", kind, "-o", "net.rdp", *way.options]
    return subprocess.Popen(
        command, cwd=own, env=variables, umask=way.umask, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def _files(bundle: Path) -> dict[str, bytes]:
    """Every file's name, bytes, and whether it can be executed by its owner."""
    return {
        f"{path.relative_to(bundle)} {path.stat().st_mode & 0o100:o}": path.read_bytes()
        for path in sorted(bundle.rglob("*"))
        if path.is_file()
    }

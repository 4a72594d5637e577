"""Files that somebody else made: weights, programs, scripts, models, golden numbers, targets, records of tuning.

A trial survives if no code of the file has run and the command ends with one of rdpass's own exit codes. An error of
another kind counts as one that did not.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import torch

from benchmarks.fault_campaigns.trials import TYPED, Tally, ended, mutated, small_network
from rdpass.capture.programs import save_program
from rdpass.database.best import read_best
from rdpass.targets.lookup import find_target
from rdpass.targets.target_file import target_toml

MODEL = "benchmarks.fault_campaigns.untrusted:network"
SHAPE = ("--input", "1x3x8x8")


def network() -> torch.nn.Module:
    """Two convolutions and a mean."""
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3), torch.nn.AdaptiveAvgPool2d(1)
    return torch.nn.Sequential(*layers).eval()


class Writes(torch.nn.Module):
    """A network that leaves a file as it runs, which TorchScript can."""

    def __init__(self, mark: Path) -> None:
        super().__init__()
        self.mark = str(mark)
        self.conv = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, self.mark)
        return self.conv(x)  # type: ignore[no-any-return]


def _save_script(module: torch.nn.Module, path: Path) -> None:
    torch.jit.save(torch.jit.script(module), path)  # type: ignore[no-untyped-call]


Words = list[str | Path]
Use = Words | Callable[[], object]


class Runs:
    """Makes a folder as soon as it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


def campaign(size: int, folder: Path) -> Tally:
    """About ``size`` files."""
    tally, random, mark = Tally("untrusted files"), Random(2), folder / "ran"
    uses = _uses(folder)
    for what, words in _hostile(folder, mark):
        _try(tally, what, words, mark)
    while tally.tried < size:
        for path, use in uses:
            good = path.read_bytes()
            path.write_bytes(mutated(good, random))
            _try(tally, f"mutated {path.name}", use, mark)
            path.write_bytes(good)
    return tally


def _try(tally: Tally, what: str, words: Use, mark: Path) -> None:
    code, said = ended(words) if isinstance(words, list) else _called(words)
    tally.count(code in TYPED and not mark.exists(), f"{what}: {code} {said}")


def _called(use: Callable[[], object]) -> tuple[int, str]:
    try:
        use()
    except Exception as error:
        return getattr(error, "exit_code", -1), f"{type(error).__name__}: {error}"
    return 0, ""


def _uses(folder: Path) -> list[tuple[Path, Use]]:
    """A good file of each kind, and a command that reads it."""
    weights, program, model = folder / "w.pt", folder / "p.pt2", small_network(folder / "net.onnx")
    torch.save(network().state_dict(), weights)
    save_program(network(), (torch.zeros(1, 3, 8, 8),), program)
    script = folder / "s.pt"
    _save_script(network(), script)
    golden, target, records = folder / "golden.npz", folder / "board.toml", folder / "db" / "a.jsonl"
    np.savez(golden, input_0=np.zeros((1, 3, 6, 5), np.float32), output_0=np.zeros((1, 4, 1, 1), np.float32))
    target.write_text(target_toml(find_target("rpi4")))
    records.parent.mkdir()
    records.write_text('{"code": "x", "format": 1, "target": "t", "target_name": "n"}\n')
    out = folder / "out"
    return [
        (weights, ["export", MODEL, *SHAPE, "--weights", weights, "-o", out / "s.onnx", "--force"]),
        (program, ["inspect", program]),
        (script, ["inspect", script, *SHAPE]),
        (model, ["compile", model, "--target", target, "-o", "/dev/null"]),
        (golden, ["compile", model, "--golden", golden, "-o", folder / "n.rdp"]),
        (target, ["inspect", MODEL, *SHAPE, "--target", target]),
        (records, lambda: read_best(records.parent, find_target("rpi4"))),
    ]


def _hostile(folder: Path, mark: Path) -> list[tuple[str, Words]]:
    """Files made to run code."""
    stream = io.BytesIO()
    torch.save(Runs(mark), stream)
    bad = folder / "hostile"
    bad.mkdir()
    files = {"w.pt": stream.getvalue(), "plain.pt": pickle.dumps(Runs(mark)), "p.pt2": stream.getvalue()}
    for name, content in files.items():
        (bad / name).write_bytes(content)
    np.savez(bad / "g.npz", input_0=np.array([Runs(mark)], object))
    np.save(bad / "x.npy", np.array([Runs(mark)], object))
    save_program(network(), (torch.zeros(1, 3, 8, 8),), bad / "good.pt2")
    with zipfile.ZipFile(bad / "good.pt2") as good, zipfile.ZipFile(bad / "example.pt2", "w") as spoiled:
        for name in good.namelist():
            spoiled.writestr(name, stream.getvalue() if "sample_inputs" in name else good.read(name))
    _save_script(Writes(mark), bad / "writes.pt")
    model = small_network(bad / "net.onnx")
    weights: list[Words] = [
        ["export", MODEL, *SHAPE, "--weights", bad / name, "-o", bad / "s.onnx"] for name in ("w.pt", "plain.pt")
    ]
    programs: list[Words] = [["inspect", bad / name] for name in ("p.pt2", "example.pt2")]
    programs.append(["inspect", bad / "writes.pt", *SHAPE])
    golden: Words = ["compile", model, "--golden", bad / "g.npz", "-o", bad / "n.rdp"]
    return [(" ".join(map(str, words)), words) for words in (*weights, *programs, golden)]

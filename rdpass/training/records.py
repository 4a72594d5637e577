"""Records of a run: lines of numbers, one per logged step and epoch, and ``history.jsonl``, which keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TextIO

from rdpass.training.callbacks import End, Epoch, Step

HISTORY = "history.jsonl"
Line = dict[str, float | str]


class Sink(Protocol):
    """Takes one line of the record after another."""

    def write(self, line: Line) -> None: ...

    def close(self, finished: bool = True) -> None: ...


class Lines:
    """A callback that writes every ``every``-th step to a sink, the last one, those with shares, and each epoch."""

    def __init__(self, sink: Sink, every: int) -> None:
        self._sink, self._every = sink, every

    def on_step(self, step: Step) -> None:
        shares = any(name.startswith("share.") for name in step.values)
        if shares or step.step % self._every == 0 or step.step == step.steps:
            values = {"loss": step.loss, "lr": step.lr, "gradient_norm": step.gradient_norm, **step.values}
            self._write("step", step.step, step.epoch, step.terms, values)

    def on_epoch(self, epoch: Epoch) -> None:
        measured = {"accuracy": epoch.accuracy, "validation_loss": epoch.validation_loss}
        values = {name: value for name, value in measured.items() if value is not None}
        self._write("epoch", epoch.step, epoch.epoch, epoch.terms, {"loss": epoch.loss, **values})

    def on_end(self, end: End) -> None:
        self._sink.close(end.finished)

    def _write(self, kind: str, step: int, epoch: int, terms: Mapping[str, float], values: Mapping[str, float]) -> None:
        named = {f"loss.{name}": value for name, value in terms.items()}
        self._sink.write({"kind": kind, "step": step, "epoch": float(epoch), **named, **values})


class History:
    """JSON lines, each with ``kind`` (step or epoch) and ``step``. Lines of steps beyond ``step`` are cut off: a run
    that goes on from there writes them anew."""

    def __init__(self, folder: Path, step: int) -> None:
        self._path, self._step = folder / HISTORY, step
        self._file: TextIO | None = None

    def write(self, line: Line) -> None:
        if self._file is None:  # a run that fails before its first step leaves no file
            self._path.parent.mkdir(parents=True, exist_ok=True)
            kept = [old for old in read_history(self._path) if float(old["step"]) <= self._step]
            self._path.write_text("".join(json.dumps(old) + "\n" for old in kept if self._step))
            self._file = self._path.open("a", buffering=1)
        self._file.write(json.dumps(line) + "\n")

    def close(self, finished: bool = True) -> None:
        if self._file is not None:
            self._file.close()


def read_history(path: Path) -> list[Line]:
    """The whole lines of a history; one that a killed process left torn is no line."""
    lines = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines

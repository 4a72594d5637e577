"""Records of a run: ``history.jsonl``, a line per logged step and epoch, and TensorBoard if asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol, TextIO

from rdpass.core.errors import ConfigError

HISTORY = "history.jsonl"
Line = dict[str, float | str]


class Sink(Protocol):
    """Takes one line of the record after another."""

    def write(self, line: Line) -> None: ...

    def close(self) -> None: ...


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

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class TensorBoard:
    """The same numbers as scalars, named as in the history."""

    def __init__(self, folder: Path, step: int) -> None:
        """
        Raises:
            ConfigError: the package tensorboard is missing.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "tensorboard=True needs the package tensorboard: pip install 'rdpass[train]', or leave it out;"
                f" {HISTORY} has the same numbers"
            ) from error
        self._writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)  # type: ignore[no-untyped-call]

    def write(self, line: Line) -> None:
        for name, value in line.items():
            if name != "step" and isinstance(value, int | float):
                self._writer.add_scalar(f"{line['kind']}/{name}", value, int(line["step"]))

    def close(self) -> None:
        self._writer.close()


def read_history(path: Path) -> list[Line]:
    """The whole lines of a history; one that a killed process left torn is no line."""
    lines = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def open_sinks(folder: Path | None, tensorboard: bool, step: int) -> list[Sink]:
    """Open the sinks of a record; none without a folder.

    Raises:
        ConfigError: TensorBoard is asked for, and has no folder to write to or is not installed.
    """
    if folder is None:
        if tensorboard:
            raise ConfigError("tensorboard=True needs an output folder (out=, -o)")
        return []
    return [*([TensorBoard(folder, step)] if tensorboard else []), History(folder, step)]

"""The output folder of ``convert``: the student, and how it came about.

    student.pt2            the student as a torch.export program, loadable without the model's code
    student.safetensors    its weights alone
    conversion.json        plan, outcomes, gates, history, settings, versions
    config.toml            the settings, all of them, as --config takes them
    history.jsonl          a line per logged step and per epoch, where something was trained
    tensorboard/           the same numbers, where that was asked for

While training, ``<folder>.partial`` holds the state to resume from; it goes when the folder is there.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.fx import GraphModule

from rdpass import __version__
from rdpass.capture.programs import load_program, save_program
from rdpass.core.comparison import NumericGate
from rdpass.core.errors import ConfigError
from rdpass.core.files import check_free, new_folder
from rdpass.runs.result import Conversion
from rdpass.runs.settings import ConvertConfig, to_toml
from rdpass.training.checkpoint import has_checkpoint

PROGRAM = "student.pt2"
WEIGHTS = "student.safetensors"
RECORD = "conversion.json"
SETTINGS = "config.toml"
TRACES = ("history.jsonl", "tensorboard")


def check_run(out: str | Path | None, resume: str | None, force: bool) -> None:
    """Refuse, before any work, an output place or a resume that can't be.

    Raises:
        ConfigError: the place is taken or can't be written, or an interrupted run lies there and it is not said
            whether to resume it.
    """
    if resume not in (None, "auto"):
        raise ConfigError(f"resume is 'auto' or left out, not {resume!r}")
    state = training_state(out)
    if out is None or state is None:
        if resume:
            raise ConfigError("resume needs out, the folder of the interrupted run")
        return
    check_free(Path(out), force)
    if has_checkpoint(state) and not resume and not force:
        raise ConfigError(f"an interrupted run lies in {state.parent}; resume it (--resume auto), or --force anew")


def training_state(out: str | Path | None) -> Path | None:
    """The file that a training towards ``out`` keeps its state in."""
    return None if out is None else Path(f"{out}.partial") / "checkpoint.pt"


def drop_training_state(out: str | Path | None) -> None:
    """Remove what an interrupted run towards ``out`` left."""
    state = training_state(out)
    if state is not None:
        shutil.rmtree(state.parent, ignore_errors=True)


def save_run(conversion: Conversion, out: Path, settings: ConvertConfig, force: bool) -> None:
    """Write the folder as a whole, then drop the training state."""
    with new_folder(out, force) as folder:
        save_program(conversion.student, conversion.example, folder / PROGRAM)
        state = {name: value.contiguous() for name, value in conversion.student.state_dict().items()}
        save_file(state, folder / WEIGHTS)
        (folder / WEIGHTS).chmod(0o644)  # safetensors gives its files to their owner alone
        (folder / RECORD).write_text(json.dumps(_record(conversion, settings), indent=1) + "\n")
        (folder / SETTINGS).write_text(to_toml(settings.model_dump()))
        _copy_traces(out, folder)
    drop_training_state(out)


def _copy_traces(out: Path, folder: Path) -> None:
    """What the training has recorded on its way."""
    state = training_state(out)
    for name in TRACES:
        if state is not None and (state.parent / name).is_dir():
            shutil.copytree(state.parent / name, folder / name)
        elif state is not None and (state.parent / name).is_file():
            shutil.copyfile(state.parent / name, folder / name)


def load_run(folder: Path) -> tuple[GraphModule, tuple[Tensor, ...], tuple[NumericGate, ...]]:
    """The student of a run folder, its example, and the gates it has passed.

    Raises:
        ConfigError: it is no run folder, or a file in it can't be read.
    """
    try:
        record = json.loads((folder / RECORD).read_text())
        gates = tuple(NumericGate(**gate) for gate in record["gates"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder} is not the output folder of rdpass convert: {RECORD} can't be read") from error
    module, example = load_program(folder / PROGRAM)
    return module, example, gates


def _record(conversion: Conversion, settings: ConvertConfig) -> dict[str, Any]:
    return {
        "recipe": conversion.recipe,
        "plan": asdict(conversion.plan),
        "outcomes": [asdict(outcome) for outcome in conversion.outcomes],
        "cuts": [asdict(cut) for cut in conversion.cuts],
        "cost": asdict(conversion.cost),
        "gates": [asdict(gate) for gate in conversion.gates],
        "history": list(conversion.history),
        "config": settings.model_dump(),
        "versions": {"rdpass": __version__, "torch": torch.__version__},
    }

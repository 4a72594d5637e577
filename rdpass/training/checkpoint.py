"""A training state on disk, written whole or not at all, in two generations: the newest and the one before.

At every moment at least one of the two files is whole: the new state is written beside them and synced, the newest is
renamed to the one before, the new one takes its place. A process killed anywhere leaves a state to go on from.

Each carries a checksum. A newest one that is damaged is put aside, so that the one before is not written over with it.
"""

from __future__ import annotations

import logging
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from rdpass.core.checksums import read_sealed, seal_file
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.files import new_file, sync, tidy_up

log = logging.getLogger(__name__)

State = dict[str, Any]
LAST_STAGE = "int8"
"""The folder beside a training's state where a last stage, in int8, keeps its own."""


def save_checkpoint(path: Path, state: State) -> None:
    """Write ``state`` (tensors, numbers, strings and containers of them) to ``path``; what was there is kept beside.

    Raises:
        ConfigError: it can't be written.
    """
    with new_file(path, force=True) as temporary:
        _write(state, temporary)
        sync(temporary)
        if path.exists():
            os.replace(path, previous(path))


def load_checkpoint(path: Path) -> State:
    """The newest state at ``path`` that is whole; what killed processes left half written is removed.

    Where that is not the newest that was written, a warning says so.

    Raises:
        ConfigError: neither generation can be read.
    """
    tidy_up(path)
    failure: Exception | None = None
    for generation in (path, previous(path)):
        if generation.exists():
            try:
                state: State = torch.load(BytesIO(read_sealed(generation)), map_location="cpu", weights_only=True)
            except Exception as error:  # a torn file ends in whatever torch meets first
                failure = failure or error
            else:
                if failure is not None:
                    os.replace(path, damaged(path))
                    log.warning("%s is damaged (%s): going on from the state before it", path, first_line(failure))
                return state
    reason = "there is none" if failure is None else first_line(failure)
    raise ConfigError(f"{path} is not a readable checkpoint ({reason}); remove it to start anew") from failure


def _write(state: State, path: Path) -> None:
    try:
        torch.save(state, path)
        seal_file(path)
    except (OSError, RuntimeError) as error:  # the latter is torch's for a disk that is full
        raise ConfigError(f"the checkpoint {path.name} can't be written: {first_line(error)}") from error


def unkept(value: Any) -> str | None:
    """Why no checkpoint could hold ``value``, which is to be data alone; None where one can.

    Example:
        >>> unkept({"step": 3}) is None, unkept({"step": object()}) is None
        (True, False)
    """
    file = BytesIO()
    try:
        torch.save(value, file)
        file.seek(0)
        torch.load(file, weights_only=True)
    except Exception as error:  # whatever pickling and reading meet first
        return first_line(error)
    return None


def has_checkpoint(path: Path | None) -> bool:
    """Tell whether a state to go on from lies at ``path``."""
    return path is not None and (path.exists() or previous(path).exists())


def previous(path: Path) -> Path:
    """The place of the generation before the newest."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def damaged(path: Path) -> Path:
    """The place of a newest generation that was damaged."""
    return path.with_name(f"{path.stem}.damaged{path.suffix}")


def step_state(path: Path, step: int, steps: int) -> Path:
    """The place of the state of one of several trainings, of which the last keeps its own at ``path``."""
    return path if step == steps else path.parent / f"step{step}" / path.name


def last_stage(path: Path) -> Path:
    """The place of the state of the stage that comes after the training that keeps its own at ``path``."""
    return path.parent / LAST_STAGE / path.name

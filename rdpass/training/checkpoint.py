"""A training state on disk, written whole or not at all, in two generations: the newest and the one before.

At every moment at least one of the two files is whole: the new state is written beside them and synced, the newest is
renamed to the one before, the new one takes its place. A process killed anywhere leaves a state to go on from.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from rdpass.core.errors import ConfigError
from rdpass.core.files import new_file, sync, tidy_up

State = dict[str, Any]


def save_checkpoint(path: Path, state: State) -> None:
    """Write ``state`` (tensors, numbers, strings and containers of them) to ``path``; what was there is kept beside."""
    with new_file(path, force=True) as temporary:
        torch.save(state, temporary)
        sync(temporary)
        if path.exists():
            os.replace(path, previous(path))


def load_checkpoint(path: Path) -> State:
    """The newest state at ``path`` that can be read; what killed processes left half written is removed.

    Raises:
        ConfigError: neither generation can be read.
    """
    tidy_up(path)
    failure: Exception | None = None
    for generation in (path, previous(path)):
        if generation.exists():
            try:
                state: State = torch.load(generation, map_location="cpu", weights_only=True)
                return state
            except Exception as error:
                failure = failure or error
    raise ConfigError(f"{path} is not a readable checkpoint ({failure}); remove it to start anew") from failure


def has_checkpoint(path: Path | None) -> bool:
    """Tell whether a state to go on from lies at ``path``."""
    return path is not None and (path.exists() or previous(path).exists())


def previous(path: Path) -> Path:
    """The place of the generation before the newest."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")

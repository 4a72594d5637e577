"""A training state in one file, written whole or not at all, with the random generators to go on from."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch

from rdpass.errors import ConfigError
from rdpass.output import new_file


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write ``state`` (tensors, numbers, strings and containers of them) and the generators' states to ``path``."""
    generators = {"torch": torch.get_rng_state(), "python": random.getstate()}
    with new_file(path, force=True) as temporary:
        torch.save({**state, "generators": generators}, temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What ``save_checkpoint`` wrote; the generators are set to where they were.

    Raises:
        ConfigError: the file can't be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        torch.set_rng_state(state["generators"]["torch"])
        random.setstate(_as_tuples(state["generators"]["python"]))
    except Exception as error:
        raise ConfigError(f"{path} is not a readable checkpoint ({error}); remove it to start anew") from error
    return state


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list | tuple) else value

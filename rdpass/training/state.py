"""State of a training: a snapshot from which another process, or this one after a fault, resumes bit for bit."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rdpass.core.errors import ConfigError
from rdpass.training.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from rdpass.training.config import DistillConfig, settings_of_now
from rdpass.training.faults import NotFinite
from rdpass.training.objective import Objective
from rdpass.training.step import Stepper

FORMAT = 2
Record = dict[str, float]
Snapshot = dict[str, Any]

# Settings that a resumed run may change: they say where it runs and what is kept of it, not which numbers it computes,
# what is to be done once those have failed, or what comes after it (a stage whose own epochs and rate are these).
FREE = frozenset({"device", "checkpoint_steps", "checkpoint_seconds", "log_steps", "share_steps", "log", "tensorboard",
                  "on_nan", "max_rollbacks", "quantize"})  # fmt: skip


@dataclass
class Position:
    """Progress of a run. ``consumed``: batches of the epoch that are done; ``step``: optimiser steps in all.

    ``sums`` are of the epoch's terms, weighted by ``rows``. ``skipped`` are (epoch, batch) that are left out.
    """

    epoch: int = 0
    consumed: int = 0
    step: int = 0
    rows: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[Record] = field(default_factory=list)
    lr_scale: float = 1.0
    rollbacks: int = 0
    skipped: list[tuple[int, int]] = field(default_factory=list)
    failed: list[tuple[int, int]] = field(default_factory=list)


class Keeper:
    """Saves and loads snapshots: at ``path``, or in memory where there is no path and ``in_memory`` asks for it."""

    def __init__(self, path: Path | None, in_memory: bool) -> None:
        self._path, self._in_memory = path, in_memory
        self._held: Snapshot | None = None

    def save(self, snapshot: Snapshot) -> None:
        if self._path is not None:
            save_checkpoint(self._path, snapshot)
        elif self._in_memory:
            self._held = deepcopy(snapshot)

    def load(self) -> Snapshot | None:
        """The last snapshot; None where none was kept."""
        if self._path is not None:
            return load_checkpoint(self._path) if has_checkpoint(self._path) else None
        return deepcopy(self._held)


def take_snapshot(
    objective: Objective, stepper: Stepper, position: Position, config: DistillConfig, teacher: str
) -> Snapshot:
    """Everything but the random generators.

    Raises:
        NotFinite: a weight, statistic or momentum is not; such a state is never kept.
    """
    trained = trained_state(objective)
    optimiser = stepper.optimiser.state_dict()
    _check_finite(trained, optimiser, stepper, position)
    return {
        "format": FORMAT,
        "objective": trained,
        "optimiser": optimiser,
        "scaler": stepper.scaler.state_dict(),
        "position": asdict(position),
        "config": config.model_dump(),
        "teacher": teacher,
    }


def restore_snapshot(
    snapshot: Snapshot, objective: Objective, stepper: Stepper, config: DistillConfig, teacher: str
) -> Position:
    """Put everything where it was when ``snapshot`` was taken.

    Raises:
        ConfigError: it comes from other settings, another teacher or another version.
    """
    if snapshot.get("format") != FORMAT:
        raise ConfigError("the checkpoint comes from another version of rdpass; start anew")
    written = settings_of_now(snapshot["config"])
    changed = [key for key, value in config.model_dump().items() if key not in FREE and written.get(key) != value]
    if changed:
        raise ConfigError(
            f"the checkpoint was written with other settings ({', '.join(changed)}); resume with the same ones, or"
            " start anew"
        )
    if snapshot["teacher"] != teacher:
        raise ConfigError("the checkpoint was written for a model with other weights; start anew")
    try:
        missing, unexpected = objective.load_state_dict(snapshot["objective"], strict=False)
    except RuntimeError as error:
        raise ConfigError(f"the checkpoint does not fit the student: {error}") from error
    if unexpected or any(name in trained_state(objective) for name in missing):
        raise ConfigError("the checkpoint does not fit the student: it was written for another recipe or selection")
    stepper.optimiser.load_state_dict(snapshot["optimiser"])
    stepper.scaler.load_state_dict(snapshot["scaler"])
    position = dict(snapshot["position"])
    for name in ("skipped", "failed"):
        position[name] = [tuple(place) for place in position[name]]
    return Position(**position)


def trained_state(objective: Objective) -> dict[str, Tensor]:
    """The objective's tensors without a frozen teacher's, which the caller has anyway."""
    state: dict[str, Tensor] = objective.state_dict()
    if any(parameter.requires_grad for parameter in objective.teacher.parameters()):
        return state
    frozen = {value.data_ptr() for value in objective.teacher.state_dict().values() if value.numel()}
    return {name: value for name, value in state.items() if value.data_ptr() not in frozen}


def fingerprint(model: nn.Module) -> str:
    """A digest of a model's weights and statistics."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _check_finite(trained: dict[str, Tensor], optimiser: Any, stepper: Stepper, position: Position) -> None:
    momenta = [value for state in optimiser["state"].values() for value in state.values() if isinstance(value, Tensor)]
    weights = [p.detach() for group in stepper.optimiser.param_groups for p in group["params"]]
    kept = [value for value in (*weights, *momenta) if value.is_floating_point()]
    if not torch.isfinite(torch.nn.utils.get_total_norm(kept, float("inf"))):
        raise NotFinite(f"weights are not finite after step {position.step}", max(0, position.consumed - 1))

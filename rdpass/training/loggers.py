"""Programs that show the numbers of a run: TensorBoard, Weights & Biases, MLflow, each where it is installed and named.

TensorBoard writes files. The other two send the numbers and the settings of the training to wherever they are set up
to; nothing is sent unless one of them was named.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from rdpass.core.errors import ConfigError, first_line
from rdpass.training.config import DistillConfig
from rdpass.training.records import HISTORY, Line, Sink

PACKAGES = {
    "tensorboard": ("torch.utils.tensorboard", "pip install 'rdpass[train]'"),
    "wandb": ("wandb", "pip install wandb"),
    "mlflow": ("mlflow", "pip install mlflow"),
}
"""The module of each logger, and how it is installed."""


def loggers_of(config: DistillConfig) -> tuple[str, ...]:
    """The names of the loggers that were asked for."""
    return tuple(dict.fromkeys([*config.log, *(["tensorboard"] if config.tensorboard else [])]))


def check_loggers(config: DistillConfig, has_folder: bool) -> None:
    """
    Raises:
        ConfigError: a logger's package is missing, or TensorBoard has no folder to write to.
    """
    for name in loggers_of(config):
        _package(name)
        if name == "tensorboard" and not has_folder:
            raise ConfigError("tensorboard needs an output folder (out=, -o)")


def open_loggers(config: DistillConfig, folder: Path | None, step: int, stage: str) -> list[Sink]:
    """Open the loggers that were asked for, for a training that goes on after ``step`` steps.

    Raises:
        ConfigError: as ``check_loggers``, or one can't begin a run.
    """
    check_loggers(config, folder is not None)
    sinks: list[Sink] = []
    for name in loggers_of(config):
        try:
            sinks.append(_opened(name, config, folder, step, stage))
        except Exception as error:  # no account, no network, no server
            for sink in sinks:
                sink.close(finished=False)
            raise ConfigError(f"{name} can't begin a run: {type(error).__name__}: {first_line(error)}") from error
    return sinks


def _opened(name: str, config: DistillConfig, folder: Path | None, step: int, stage: str) -> Sink:
    if name == "tensorboard":
        assert folder is not None
        return TensorBoard(folder, step)
    told = (config.model_dump(mode="json"), _run_name(folder), stage, folder)
    return WandB(*told) if name == "wandb" else MLflow(*told)


class TensorBoard:
    """Scalars in ``tensorboard/`` of the folder, named as in the history."""

    def __init__(self, folder: Path, step: int) -> None:
        writer = _package("tensorboard").SummaryWriter
        self._writer: Any = writer(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, line: Line) -> None:
        for name, value in _numbers(line).items():
            self._writer.add_scalar(name, value, int(line["step"]))

    def close(self, finished: bool = True) -> None:
        self._writer.close()


class WandB:
    """A run of Weights & Biases for each training, in the project ``rdpass`` unless ``WANDB_PROJECT`` names another."""

    def __init__(self, settings: Mapping[str, Any], name: str, stage: str, folder: Path | None) -> None:
        place = {} if folder is None else {"dir": str(folder)}
        self._run: Any = _package("wandb").init(
            project=os.environ.get("WANDB_PROJECT", "rdpass"), group=name, name=_staged(name, stage),
            config=dict(settings), **place,
        )  # fmt: skip

    def write(self, line: Line) -> None:
        self._run.log(_numbers(line), step=int(line["step"]))

    def close(self, finished: bool = True) -> None:
        self._run.finish(exit_code=0 if finished else 1)


class MLflow:
    """A run of MLflow for each training; where it lies and in which experiment is MLflow's to be told."""

    def __init__(self, settings: Mapping[str, Any], name: str, stage: str, folder: Path | None) -> None:
        self._mlflow: Any = _package("mlflow")
        self._mlflow.start_run(run_name=_staged(name, stage), nested=self._mlflow.active_run() is not None)
        self._mlflow.log_params(_flat(settings))

    def write(self, line: Line) -> None:
        self._mlflow.log_metrics(_numbers(line), step=int(line["step"]))

    def close(self, finished: bool = True) -> None:
        self._mlflow.end_run(status="FINISHED" if finished else "FAILED")


def _package(name: str) -> Any:
    module, remedy = PACKAGES[name]
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"--log {name} needs the package {name}: {remedy}, or leave it out; {HISTORY} has the same numbers"
        ) from error


def _numbers(line: Line) -> dict[str, float]:
    return {f"{line['kind']}/{name}": value for name, value in line.items()
            if name != "step" and isinstance(value, int | float)}  # fmt: skip


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _staged(name: str, stage: str) -> str:
    return f"{name}/{stage}" if stage else name


def _run_name(folder: Path | None) -> str:
    """The name of the run folder that will be, of whose ``run.partial`` the training's is one, or a folder in it."""
    for place in (folder, folder.parent) if folder is not None else ():
        if place is not None and place.name.endswith(".partial"):
            return place.name.removesuffix(".partial")
    return "rdpass"

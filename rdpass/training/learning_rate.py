"""Schedules of the learning rate by name or as functions: the rate of each step, and no state that could be lost.

1. ``cosine``: a warm-up times a cosine from ``lr`` to zero, the default.
2. ``onecycle``, ``linear``, …: a schedule of ``torch.optim.lr_scheduler``. It is run beside the training, on a weight
   of its own, and its rates are read off. ``warmup`` multiplies it, but for ``onecycle``, which has one.
3. ``timm:cosine``, ``timm:step``, …: one of timm's, where timm is installed, with a warm-up of its own.
4. A function of (step, steps), or ``pkg.mod:fn``, that gives the share of ``lr`` that a step has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer, lr_scheduler

from rdpass.capture.torchvision_import import beside_torchvision
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.named_code import find_named
from rdpass.training.config import DistillConfig, name_of
from rdpass.training.optimiser import TIMM, check_options, timms

COSINE, ONE_CYCLE = "cosine", "onecycle"
LR, STEPS = "lr", "steps"
Rate = Callable[[int], float]


@dataclass(frozen=True)
class _Torchs:
    """A schedule of torch's, the unit that its options count in, and what it is given where nothing is said.

    ``LR`` and ``STEPS`` stand for the peak rate and the steps of the whole training.
    """

    make: type[lr_scheduler.LRScheduler]
    counts: Literal["steps", "epochs"]
    given: Mapping[str, Any] = field(default_factory=dict)


TORCHS: Mapping[str, _Torchs] = {
    "constant": _Torchs(lr_scheduler.ConstantLR, "steps", {"factor": 1.0, "total_iters": 0}),
    "linear": _Torchs(lr_scheduler.LinearLR, "steps", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": STEPS}),
    "polynomial": _Torchs(lr_scheduler.PolynomialLR, "steps", {"total_iters": STEPS}),
    ONE_CYCLE: _Torchs(lr_scheduler.OneCycleLR, "steps", {"max_lr": LR, "total_steps": STEPS, "cycle_momentum": False}),
    "restarts": _Torchs(lr_scheduler.CosineAnnealingWarmRestarts, "steps", {"T_0": STEPS}),
    "cyclic": _Torchs(lr_scheduler.CyclicLR, "steps", {"base_lr": 0.0, "max_lr": LR, "cycle_momentum": False}),
    "step": _Torchs(lr_scheduler.StepLR, "epochs"),
    "multistep": _Torchs(lr_scheduler.MultiStepLR, "epochs"),
    "exponential": _Torchs(lr_scheduler.ExponentialLR, "epochs"),
}


def learning_rates(config: DistillConfig, steps: int) -> Rate:
    """The rate of each of ``steps`` steps, counted from 0, as ``config`` says.

    Raises:
        ConfigError: no schedule has that name, or it does not take the options.
    """
    given, options = config.schedule, dict(config.schedule_options)
    what = f"schedule {name_of(given)!r}"
    if given == COSINE:
        if options:
            raise ConfigError(f"{what} has no options; timm:cosine has")
        return lambda step: learning_rate(step, steps, config)
    if isinstance(given, str) and given.startswith(TIMM):
        return _timms(given.removeprefix(TIMM), config, steps, what)
    if isinstance(given, str) and ":" not in given:
        return _torchs(given, config, steps, what)
    function = beside_torchvision(lambda: find_named(given, "the schedule")) if isinstance(given, str) else given
    if not callable(function):
        raise ConfigError(f"{what} is to be a function of (step, steps), not a {type(function).__name__}")
    return lambda step: config.lr * _share(function, step, steps, options, what)


def check_schedule(config: DistillConfig) -> None:
    """Ask for the first and the last rates of a training of ten steps an epoch.

    Raises:
        ConfigError: as ``learning_rates``, or one can't be had.
    """
    steps = 10 * config.epochs
    rate = learning_rates(config, steps)
    for step in (*range(10), steps - 1):
        rate(step)


def learning_rate(step: int, total: int, config: DistillConfig) -> float:
    """Linear from near zero over the first ``config.warmup`` of the steps, times a cosine from ``config.lr`` to 0."""
    return config.lr * _warm(step, total, config) * 0.5 * (1 + math.cos(math.pi * step / total))


def _warm(step: int, total: int, config: DistillConfig) -> float:
    return min(1.0, (step + 1) / max(1.0, config.warmup * total))


def _torchs(name: str, config: DistillConfig, steps: int, what: str) -> Rate:
    if name not in TORCHS:
        known = (COSINE, *TORCHS)
        near = get_close_matches(name, known, 1)
        raise ConfigError(
            f"no schedule is called {name!r}; there are {', '.join(known)}, and timm:NAME"
            f"{f'; did you mean {near[0]}?' if near else ''}"
        )
    found = TORCHS[name]
    check_options(what, found.make, config.schedule_options)
    meant = {LR: config.lr, STEPS: steps}
    given = {key: meant.get(value, value) if isinstance(value, str) else value for key, value in found.given.items()}
    replayed = _Replayed(config.lr, found.make, {**given, **config.schedule_options}, what)

    def rate(step: int) -> float:
        turn = step if found.counts == "steps" else step * config.epochs // steps
        return replayed.rate(turn) * (1.0 if name == ONE_CYCLE else _warm(step, steps, config))

    return rate


class _Replayed:
    """The rates of a schedule that goes on turn by turn, so that any turn can be asked for again."""

    def __init__(self, lr: float, make: Callable[..., Any], options: Mapping[str, Any], what: str) -> None:
        self._optimiser, self._what = _bystander(lr), what
        try:
            self._schedule = make(self._optimiser, **options)
        except Exception as error:  # each refuses options in its own way
            raise ConfigError(f"{what} can't be made: {type(error).__name__}: {first_line(error)}") from error
        self._rates = [float(self._optimiser.param_groups[0]["lr"])]

    def rate(self, turn: int) -> float:
        while len(self._rates) <= turn:
            self._optimiser.step()  # of nothing; torch wants it before the schedule's
            try:
                self._schedule.step()
            except ValueError as error:  # a cycle that was said to be shorter than the training
                raise ConfigError(f"{self._what} ends at step {len(self._rates)}: {first_line(error)}") from error
            self._rates.append(float(self._optimiser.param_groups[0]["lr"]))
        return self._rates[turn]


def _timms(name: str, config: DistillConfig, steps: int, what: str) -> Rate:
    def imported() -> Any:
        from timm import scheduler

        return scheduler

    unfit = ConfigError(
        f"timm has no schedule {name!r} that goes by steps; it has cosine, tanh, step, multistep, poly, …"
    )
    if name == "plateau":  # which waits for a figure
        raise unfit
    create = timms(imported, what).create_scheduler_v2
    ours = ("sched", "num_epochs", "step_on_epochs", "updates_per_epoch", "patience_epochs", "plateau_mode")
    check_options(what, create, config.schedule_options, ours)
    bystander = _bystander(config.lr)
    try:
        schedule, _ = create(bystander, sched=name, num_epochs=config.epochs, step_on_epochs=False,
                             updates_per_epoch=max(1, steps // config.epochs), **config.schedule_options)  # fmt: skip
    except Exception as error:  # each refuses options in its own way
        raise ConfigError(f"{what} can't be made: {type(error).__name__}: {first_line(error)}") from error
    if schedule is None:
        raise unfit

    def rate(step: int) -> float:
        schedule.step_update(step)
        return float(bystander.param_groups[0]["lr"])

    return rate


def _bystander(lr: float) -> Optimizer:
    """An optimiser of nothing, for a schedule to write its rates into."""
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)


def _share(function: Callable[..., Any], step: int, steps: int, options: Mapping[str, Any], what: str) -> float:
    try:
        share = float(function(step, steps, **options))
    except Exception as error:  # a function of the user's
        raise ConfigError(f"{what} failed at step {step}: {type(error).__name__}: {first_line(error)}") from error
    if not (math.isfinite(share) and share >= 0):
        raise ConfigError(f"{what} gives {share} at step {step}, which is no share of a learning rate")
    return share

"""What a training tells while it goes on: plain numbers, to whoever was named.

A callback is an object with any of the three methods of ``Callback``. It is called in the first process alone, after a
step or an epoch is done. What it raises ends the training as it is, and the last state is kept. What it draws at random
changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rdpass.core.errors import ConfigError


@dataclass(frozen=True)
class Step:
    """One optimiser step that was taken.

    Args:
        step: its number, from 1; ``steps`` are all of the training.
        epoch: the number of the epoch, from 1.
        loss: the sum of ``terms``, each a mean over the step's rows.
        lr: the rate that it was taken at.
        gradient_norm: over all parameters, before clipping.
        values: what the recipe says of itself: ``faded``, from 0 to 1; and now and then ``share.<stage>``.
        stage: empty; or ``int8``, ``step1``, … of a conversion with several trainings.
    """

    step: int
    steps: int
    epoch: int
    loss: float
    terms: Mapping[str, float]
    lr: float
    gradient_norm: float
    values: Mapping[str, float] = field(default_factory=dict)
    stage: str = ""


@dataclass(frozen=True)
class Epoch:
    """One epoch that is done, of ``epochs``, and saved.

    ``loss`` and its ``terms`` are means over the epoch. ``accuracy`` (per cent) or ``validation_loss`` is there where
    data are held out. ``step``: steps so far.
    """

    epoch: int
    epochs: int
    step: int
    loss: float
    terms: Mapping[str, float]
    accuracy: float | None = None
    validation_loss: float | None = None
    stage: str = ""


@dataclass(frozen=True)
class End:
    """The end of a training after ``step`` steps: ``finished``, or failed or interrupted."""

    step: int
    finished: bool
    stage: str = ""


class Callback(Protocol):
    """A listener to a training; one that is of some other class may leave methods out.

    Example:
        >>> import rdpass
        >>> from rdpass.training.callbacks import Callback
        >>> from rdpass.training.config import DistillConfig
        >>> class Losses(Callback):
        ...     def __init__(self):
        ...         self.found = []
        ...     def on_epoch(self, epoch):
        ...         self.found.append(epoch.loss)
        >>> losses = Losses()
        >>> made = rdpass.convert(model, example, train=loader, config=DistillConfig(epochs=2, lr=0.01),
        ...                       callbacks=[losses], show_progress=False)
        >>> losses.found == [epoch["loss"] for epoch in made.history]
        True
    """

    def on_step(self, step: Step) -> None:
        """A step was taken."""

    def on_epoch(self, epoch: Epoch) -> None:
        """An epoch is done, measured where data are held out, and saved."""

    def on_end(self, end: End) -> None:
        """The training is over, in whatever way; nothing more is told."""


METHODS = ("on_step", "on_epoch", "on_end")


def check_callbacks(callbacks: Sequence[object]) -> None:
    """
    Raises:
        ConfigError: one has none of the three methods.
    """
    for callback in callbacks:
        if isinstance(callback, type) or not any(callable(getattr(callback, name, None)) for name in METHODS):
            said = f"the class {callback.__name__}" if isinstance(callback, type) else f"a {type(callback).__name__}"
            raise ConfigError(f"callbacks= takes objects with {', '.join(METHODS[:2])} or {METHODS[2]}, not {said}")


def call(callbacks: Sequence[object], method: str, told: Step | Epoch | End) -> None:
    """Tell all that have the method, in order."""
    for callback in callbacks:
        if (listener := getattr(callback, method, None)) is not None:
            listener(told)

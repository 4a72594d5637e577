"""Which epoch's student is the result, and whether the training is over before its last epoch.

The last epoch's is, and it is not, unless ``keep_best`` or ``patience`` asks. Then epochs are compared by what was
measured on held-out data: the highest accuracy or the lowest loss, the earlier of equals. An epoch in which shortcuts
are still fading is not compared: without these its student is another network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from rdpass.core.errors import ConfigError
from rdpass.training.config import DistillConfig

EXPORTED = "exported"
"""The field of the record of the epoch whose student is the result, where that was to be chosen."""
Record = dict[str, float]


def check_selection(config: DistillConfig, validate: Iterable[Any] | None) -> None:
    """
    Raises:
        ConfigError: epochs are to be compared, and there is nothing to compare them by.
    """
    asked = [name for name in ("keep_best", "patience") if getattr(config, name)]
    if asked and validate is None:
        raise ConfigError(
            f"train.{asked[0]} compares epochs on held-out data, and there are none: give validate= (--data pkg.mod:fn"
            " that gives (train, validate)), or leave it out"
        )


class Selection:
    """The best epoch so far. ``student``: its weights, where they are to be kept."""

    def __init__(self, config: DistillConfig) -> None:
        self._keeps, self._patience = config.keep_best, config.patience
        self._epoch, self._figure = 0, 0.0
        self._student: dict[str, Tensor] = {}

    @property
    def is_asked(self) -> bool:
        return self._keeps or self._patience is not None

    def consider(self, record: Record, student: nn.Module) -> None:
        """Compare the epoch of ``record``, which ended with ``student`` as it is now."""
        figure = record["accuracy"] if "accuracy" in record else -record["validation_loss"]
        if figure != figure or (self._epoch and figure <= self._figure):
            return
        self._epoch, self._figure = int(record["epoch"]), figure
        if self._keeps:
            self._student = {name: value.detach().cpu().clone() for name, value in student.state_dict().items()}

    def is_over(self, epochs: int) -> bool:
        """Tell whether none of the last ``patience`` of ``epochs`` epochs was better than the one before them."""
        return self._patience is not None and bool(self._epoch) and epochs - self._epoch >= self._patience

    def result(self, student: nn.Module, history: Sequence[Record]) -> list[Record]:
        """Put the weights of the epoch that was chosen into ``student``, and mark it in the history."""
        if not self.is_asked:
            return list(history)
        if self._student:
            student.load_state_dict(self._student)
        chosen = self._epoch if self._student else len(history)
        return [{**record, EXPORTED: 1.0} if record["epoch"] == chosen else record for record in history]

    def state(self) -> dict[str, Any]:
        return {"epoch": self._epoch, "figure": self._figure, "student": self._student}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what was the best when ``state`` was taken."""
        self._epoch, self._figure, self._student = state["epoch"], state["figure"], dict(state["student"])


def share_done(history: Sequence[Record], config: DistillConfig) -> float:
    """The fraction of a training at whose end its result stood; 1 for the last of all epochs."""
    chosen = [record for record in history if EXPORTED in record] or history[-1:]
    return chosen[-1]["epoch"] / config.epochs if chosen else 1.0

"""Report a run while it goes on: on the screen, and in its records."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from statistics import mean

from rdpass.core.progress import Progress, progress
from rdpass.training.records import open_sinks
from rdpass.training.request import Request
from rdpass.training.state import Position, Record
from rdpass.training.step import Taken


class Report:
    """Open while its ``with`` block lasts; processes other than the first show and keep nothing."""

    def __init__(self, request: Request, steps: int, done: int, is_first: bool) -> None:
        self._config, self._steps, self._done = request.config, steps, done
        self._show = request.show_progress and is_first
        self._folder = request.checkpoint.parent if request.checkpoint is not None and is_first else None
        self._wants_board = request.config.tensorboard and is_first
        self._shares: dict[str, float] = {}

    def __enter__(self) -> Report:
        with ExitStack() as stack:
            self._sinks = open_sinks(self._folder, self._wants_board, self._done)
            for sink in self._sinks:
                stack.callback(sink.close)
            self._shown: Progress = stack.enter_context(progress("distil", self._steps, self._show))
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def step(
        self, position: Position, taken: Taken, rate: float, shares: dict[str, float], state: Mapping[str, float]
    ) -> None:
        """A step was taken; ``position`` is the one before it, ``state`` what the objective said of itself."""
        done = position.step + 1
        self._shares = shares or self._shares
        self._shown.step(done, _step_text(taken, rate, self._shares, state))
        if shares or done % self._config.log_steps == 0 or done == self._steps:
            values = {f"loss.{name}": value for name, value in taken.terms.items()}
            values |= {"loss": sum(taken.terms.values()), "lr": rate, "gradient_norm": taken.gradient_norm}
            values |= state
            values |= {f"share.{stage}": share for stage, share in shares.items()}
            self._write("step", done, {"epoch": position.epoch + 1.0, **values})

    def epoch(self, record: Record, step: int) -> None:
        """An epoch is done, and saved."""
        self._write("epoch", step, record)
        self.note(_epoch_text(record, self._config.epochs))

    def note(self, text: str) -> None:
        """Something worth keeping on the screen."""
        self._shown.note(text)

    def _write(self, kind: str, step: int, values: Record) -> None:
        for sink in self._sinks:
            sink.write({"kind": kind, "step": step, **values})


def _step_text(taken: Taken, rate: float, shares: dict[str, float], state: Mapping[str, float]) -> str:
    terms = f" ({', '.join(f'{name} {value:.4f}' for name, value in taken.terms.items())})"
    faded = "".join(f"  {name} {value:.0%}" for name, value in state.items())
    share = f"  through the teacher {mean(shares.values()):.0%}" if shares else ""
    return f"loss {sum(taken.terms.values()):.4f}{terms if len(taken.terms) > 1 else ''}  lr {rate:.3g}{faded}{share}"


def _epoch_text(record: Record, epochs: int) -> str:
    terms = [f"{name.removeprefix('loss.')} {value:.4f}" for name, value in record.items() if name.startswith("loss.")]
    text = f"epoch {record['epoch']:.0f}/{epochs}  loss {record['loss']:.4f}"
    text += f" ({', '.join(terms)})" if len(terms) > 1 else ""
    if "accuracy" in record:
        text += f"  accuracy {record['accuracy']:.2f} %"
    if "validation_loss" in record:
        text += f"  validation loss {record['validation_loss']:.4f}"
    return text

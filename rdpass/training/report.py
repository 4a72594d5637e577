"""Report a run while it goes on: on the screen, in its records, and to callbacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from statistics import mean

from rdpass.core.progress import Progress, progress
from rdpass.training.callbacks import End, Epoch, Step, call
from rdpass.training.generators import kept_generators
from rdpass.training.loggers import open_loggers
from rdpass.training.records import History, Lines, Sink
from rdpass.training.request import Request
from rdpass.training.state import Position, Record
from rdpass.training.step import Taken


class Report:
    """Open while its ``with`` block lasts; processes other than the first show, keep and call nothing."""

    def __init__(self, request: Request, steps: int, done: int, is_first: bool) -> None:
        self._request, self._config, self._steps, self._done = request, request.config, steps, done
        self._is_first = is_first
        self._folder = request.checkpoint.parent if request.checkpoint is not None else None
        self._shares: dict[str, float] = {}

    def __enter__(self) -> Report:
        sinks: list[Sink] = []
        if self._is_first:
            sinks = open_loggers(self._config, self._folder, self._done, self._request.stage)
            sinks += [History(self._folder, self._done)] if self._folder is not None else []
        self._callbacks: list[object] = [Lines(sink, self._config.log_steps) for sink in sinks]
        self._callbacks += self._request.callbacks if self._is_first else ()
        self._progress = progress("distil", self._steps, self._request.show_progress and self._is_first)
        self._shown: Progress = self._progress.__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._progress.__exit__(None, None, None)
        with ExitStack() as stack:  # each is told, whatever another one raises
            for callback in reversed(self._callbacks):
                stack.callback(self._call, "on_end", End(self._done, error is None, self._request.stage), [callback])

    def step(
        self, position: Position, taken: Taken, rate: float, shares: dict[str, float], state: Mapping[str, float]
    ) -> None:
        """A step was taken; ``position`` is the one after it, ``state`` what the objective said of itself."""
        self._done = position.step
        self._shares = shares or self._shares
        self._shown.step(self._done, _step_text(taken, rate, self._shares, state))
        values = {**state, **{f"share.{stage}": share for stage, share in shares.items()}}
        loss, epoch = sum(taken.terms.values()), position.epoch + 1
        told = Step(self._done, self._steps, epoch, loss, taken.terms, rate, taken.gradient_norm, values,
                    self._request.stage)  # fmt: skip
        self._call("on_step", told, self._callbacks)

    def epoch(self, record: Record, step: int) -> None:
        """An epoch is done, and saved."""
        terms = {name.removeprefix("loss."): value for name, value in record.items() if name.startswith("loss.")}
        told = Epoch(int(record["epoch"]), self._config.epochs, step, record["loss"], terms, record.get("accuracy"),
                     record.get("validation_loss"), self._request.stage)  # fmt: skip
        self.note(_epoch_text(record, self._config.epochs))
        self._call("on_epoch", told, self._callbacks)

    def note(self, text: str) -> None:
        """Something worth keeping on the screen."""
        self._shown.note(text)

    def _call(self, method: str, told: Step | Epoch | End, callbacks: Sequence[object]) -> None:
        # The user's may draw at random; the network's own numbers do not depend on it.
        with kept_generators() if self._request.callbacks else nullcontext():
            call(callbacks, method, told)


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

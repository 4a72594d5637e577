"""The curves of a run, out of the lines of its ``history.jsonl``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from rdpass.training.records import Line


@dataclass(frozen=True)
class Series:
    """One curve: (step, value) in the order of the steps; of a single point the value's standard ``error`` too.

    ``is_reference``: a line to hold others against, the teacher's.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    error: float = 0.0
    is_reference: bool = False


@dataclass(frozen=True)
class Figure:
    """Curves that share their axes. ``unit``: what stands behind a number of the vertical one; ``across``: what the
    horizontal one counts."""

    title: str
    unit: str
    series: tuple[Series, ...]
    across: str = "step"


def figures_of(lines: Sequence[Line], teacher: Mapping[str, float] | None = None) -> tuple[Figure, ...]:
    """Loss by its terms, what was measured on held-out data, and how the training went; none empty.

    ``teacher``: what a teacher has in ``accuracy`` or ``validation_loss``, drawn as a line beside the student's.
    """
    steps = [line for line in lines if line["kind"] == "step"]
    epochs = [line for line in lines if line["kind"] == "epoch"]
    terms = _starting_with(steps, "loss.")
    figures = (
        Figure("Loss", "", _series(steps, {"loss": "sum", **(terms if len(terms) > 1 else {})})),
        Figure("Accuracy on held-out data", " %", _held_out(epochs, "accuracy", teacher)),
        Figure("Loss on held-out data", "", _held_out(epochs, "validation_loss", teacher)),
        Figure("How far the shortcuts have faded", " %", _series(steps, {"faded": "on the mean"}, factor=100.0)),
        Figure("Share of the gradient's norm that comes through the teacher, by the stage's end", " %",
               _series(steps, _starting_with(steps, "share."), factor=100.0)),
        Figure("Norm of the gradient, before clipping", "", _series(steps, {"gradient_norm": "all parameters"})),
        Figure("Learning rate", "", _series(steps, {"lr": "rate"})),
    )  # fmt: skip
    return tuple(figure for figure in figures if figure.series)


def _held_out(epochs: Sequence[Line], measure: str, teacher: Mapping[str, float] | None) -> tuple[Series, ...]:
    """The student's curve, and the teacher's line as long; of a single epoch both are dots."""
    student = _series(epochs, {measure: "student"})
    if not student or not teacher or measure not in teacher:
        return student
    steps = dict.fromkeys((student[0].points[0][0], student[0].points[-1][0]))
    return (*student, Series("teacher", tuple((step, teacher[measure]) for step in steps), is_reference=True))


def _starting_with(lines: Sequence[Line], prefix: str) -> dict[str, str]:
    """The fields of that prefix that occur, with their names without it."""
    return {key: key.removeprefix(prefix) for line in lines for key in line if key.startswith(prefix)}


def _series(lines: Sequence[Line], fields: dict[str, str], factor: float = 1.0) -> tuple[Series, ...]:
    found = []
    for key, name in fields.items():
        points = [(float(line["step"]), factor * float(line[key])) for line in lines if key in line]
        points = [point for point in points if isfinite(point[1])]
        if points:
            found.append(Series(name, tuple(points)))
    return tuple(found)

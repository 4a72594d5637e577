"""A search as one HTML page without anything from elsewhere: the verdict, the front drawn, every table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from rdpass.core.files import new_file
from rdpass.core.plan import Choice
from rdpass.core.printable import three_figures
from rdpass.fitting.choice import front
from rdpass.fitting.limits import amount, misses, words
from rdpass.fitting.record import Fit, Point
from rdpass.profiling.account.choices import choice_key
from rdpass.report.chart import Chart
from rdpass.report.html import render
from rdpass.report.series import Figure, Series

PAGE = "front.html"
TEMPLATE = "front.html.jinja"
MISSED = {"ms": "latency", "peak_bytes": "peak", "weight_bytes": "size", "drop": "drop"}
"""Limits by the names of the arguments that set them."""
AXES = (("ms", "milliseconds", 1.0), ("peak_bytes", "megabytes at the peak", 1e6),
        ("weight_bytes", "megabytes of weights", 1e6))  # fmt: skip


def write_page(found: Fit, folder: Path) -> Path:
    """Write the page of a search into its folder, over an older one, and return its path.

    Raises:
        ConfigError: it can't be written.
    """
    path = folder / PAGE
    with new_file(path, force=True) as temporary:
        temporary.write_text(render("rdpass.fitting", TEMPLATE, _facts(found)), encoding="utf-8")
    return path


def _facts(found: Fit) -> dict[str, Any]:
    points, best = found.points, found.best
    return {
        "found": found,
        "limits": [words(name, value) for name, value in vars(found.limits).items() if value is not None],
        "charts": [Markup(Chart(figure).draw()) for figure in _figures(found, points)],
        "points": [(*cells_of(point), "yes" if point in front(points) else "") for point in points],
        "best": [place for place, point in enumerate(points) if point == best],
        "probes": [(probe.network, probe.precision, probe.how, str(probe.images), str(probe.figure),
                    str(probe.difference)) for probe in found.probes],
        "costs": [(choice_key(cost.network, cost.precision), *figures_of(cost), missed_by(found, cost))
                  for cost in found.costs],
        "removed": [(network.name, len(network.removed), ", ".join(network.removed)) for network in found.networks],
        "left_out": [(other.add, other.reason) for other in (*found.skipped, *found.left_out)],
    }  # fmt: skip


def missed_by(found: Fit, cost: Choice) -> str:
    """The limits that a cost does not keep to, as text."""
    return "; ".join(map(str, misses(found.limits, cost)))


def figures_of(cost: Choice) -> tuple[str, str, str]:
    """Milliseconds, peak and weights, as text."""
    return three_figures(cost.ms), amount("peak_bytes", cost.peak_bytes), amount("weight_bytes", cost.weight_bytes)


def cells_of(point: Point) -> tuple[str, ...]:
    """Name, how it came about, figure, difference, the three costs, which limits it misses, and its run folder."""
    measured = point.measured
    return (point.name, measured.how, str(measured.figure), str(measured.difference), *figures_of(point.cost),
            ", ".join(MISSED[miss.limit] for miss in point.missed), measured.folder)  # fmt: skip


def _figures(found: Fit, points: Sequence[Point]) -> list[Figure]:
    """The figure of accuracy against each cost: a dot for each point, with its standard error."""
    unit = " %" if found.figure.startswith("top-") else ""
    return [
        Figure(
            f"{found.figure} against {name}", unit,
            tuple(_dot(point, getattr(point.cost, axis) / scale) for point in points), name,
        )
        for axis, name, scale in AXES if points
    ]  # fmt: skip


def _dot(point: Point, cost: float) -> Series:
    figure = point.measured.figure
    return Series(f"{point.name}, {point.measured.how}", ((cost, figure.value),), figure.error or 0.0)

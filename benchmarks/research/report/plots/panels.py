"""What the plots share: panels in rows and columns on one scale, one legend below them.

Where there are more arms than one can tell apart by colours, each has a panel of its own, and all others lie behind it
in grey.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from math import ceil
from textwrap import fill
from typing import Any, TypeVar

MARKS = "osD^vP*X"
BEHIND = "0.85"
"""Grey of what a panel is not about."""
COLUMNS = 4
TITLE, ABREAST = 26, 60
"""Letters: of a line of a title, and of names in a legend that two fit beside each other."""
PANEL, AROUND = 1.6, 1.3
"""Inches: the height of a row of panels, and of what is above and below all of them."""
Key = TypeVar("Key", bound=Hashable)


class Places:
    """The number of whatever is drawn, in the order it was first met: one colour or mark for it in all panels."""

    def __init__(self) -> None:
        self._known: list[Hashable] = []

    def __getitem__(self, name: Hashable) -> int:
        if name not in self._known:
            self._known.append(name)
        return self._known.index(name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._known)


def panels(figure: Any, titles: Mapping[Key, str], across: str, upwards: str, height: float = PANEL) -> dict[Key, Any]:
    """Axes on one scale, each with its title, row by row; the figure becomes as high as they take.

    ``across`` and ``upwards`` name the axes of all.
    """
    columns = min(COLUMNS, len(titles))
    rows = ceil(len(titles) / columns)
    figure.set_size_inches(8, height * rows + AROUND)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    placed, left = list(grid.flat)[: len(titles)], list(grid.flat)[len(titles) :]
    for axes, title in zip(placed, titles.values(), strict=True):
        axes.set_title(fill(title, TITLE), fontsize=8)
    lowest(placed, columns, across)
    figure.supylabel(upwards, fontsize=9)
    for axes in left:
        axes.remove()
    return dict(zip(titles, placed, strict=True))


def lowest(placed: Sequence[Any], columns: int, across: str) -> None:
    """Numbers and the axis' name below the last panel of each column."""
    for axes in placed[-columns:]:
        axes.tick_params(which="both", labelbottom=True)
        axes.set_xlabel(across, fontsize=8)


def legend(figure: Any, handles: Sequence[Any]) -> None:
    longest = max(len(handle.get_label()) for handle in handles)
    figure.legend(handles=handles, loc="outside lower center", ncols=2 if longest <= ABREAST else 1, fontsize=7)


def sample(**told: Any) -> Any:
    """What a legend shows of lines that are drawn elsewhere."""
    from matplotlib.lines import Line2D  # here, so that training needs no matplotlib

    return Line2D([], [], **told)

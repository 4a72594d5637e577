"""What the plots share: panels side by side, and one legend below them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

MARKS = "osD^vP*X"
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


def panels(figure: Any, titles: Mapping[Key, str]) -> dict[Key, Any]:
    """Axes side by side on one scale, each with its title."""
    row = figure.subplots(1, len(titles), sharex=True, sharey=True, squeeze=False)[0]
    for title, axes in zip(titles.values(), row, strict=True):
        axes.set_title(title, fontsize=9)
    return dict(zip(titles, row, strict=True))


def legend(figure: Any, handles: Sequence[Any]) -> None:
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=7)


def sample(**told: Any) -> Any:
    """What a legend shows of lines that are drawn elsewhere."""
    from matplotlib.lines import Line2D  # here, so that training needs no matplotlib

    return Line2D([], [], **told)

"""Tables for people, on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.errors import MarkupError
from rich.table import Table
from rich.text import Text

from rdpass.core.printable import printable

if TYPE_CHECKING:
    from rdpass.core.comparison import NumericGate
    from rdpass.core.plan import Merging, Pruning

WIDTH_OFF_TERMINAL = 150
LONGEST_CELL = 2000


def console() -> Console:
    """A console on stdout, wide where nobody looks, so that nothing is cut in a file or pipe."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_OFF_TERMINAL, highlight=False)


def say(words: str, is_good: bool | None = None) -> None:
    """A sentence on stdout: one line in a file or pipe, on a terminal broken between words.

    ``is_good``: of a verdict, which then is green or yellow on a terminal where ``NO_COLOR`` is not set.
    """
    style = "" if is_good is None else "green" if is_good else "yellow"
    console().print(Text(printable(words, LONGEST_CELL), style), soft_wrap=not sys.stdout.isatty())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print a table; columns whose name starts with ``>`` are right-aligned.

    Cells may hold rich's markup. What others wrote is to be escaped (``rich.markup.escape``).
    """
    table = Table(title=title, box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
    for row in rows:
        table.add_row(*map(_cell, row))
    console().print(table)


def print_gates(gates: Iterable[NumericGate]) -> None:
    """A table of gates: what each was compared with, and how far float32 itself is off, where that is known."""
    from rdpass.core.comparison import gate_words

    print_table(("gate", ">largest error", ">tolerance", "against", ">single precision is off"), map(gate_words, gates))


def print_pruning(pruning: Pruning) -> None:
    """The layers that lost channels, and those that can lose none, with the reason."""
    from rdpass.report.pruning import width_rows

    print_table(("layer", ">channels", ">left"), width_rows(pruning.widths))
    if pruning.skipped:
        print_table(("keeps its channels", "because"), [(each.add, each.reason) for each in pruning.skipped])


def print_merging(merging: Merging) -> None:
    """The pairs of 1x1 convolutions that became one, and those that stay two, with the reason."""
    from rdpass.report.merging import pair_rows

    print_table(("1x1 convolutions", "became", ">MACs", ">left"), pair_rows(merging.pairs))
    if merging.skipped:
        print_table(("pair round", "stays two, because"), [(each.add, each.reason) for each in merging.skipped])


def _cell(words: str) -> Text:
    """Markup as it is meant; as it is written, where it is none."""
    line = printable(words, LONGEST_CELL)
    try:
        return Text.from_markup(line)
    except MarkupError:
        return Text(line)


def size(count: int) -> str:
    """Bytes for people: 25.1 kB, 4.01 MB (powers of 1000)."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.1f} kB" if count < 1e6 else f"{count / 1e6:.2f} MB"

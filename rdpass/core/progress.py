"""Progress of long work on stderr: a bar on a terminal, plain lines elsewhere, nothing when silent."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TaskProgressColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.text import Text

LINE_EVERY = 10.0  # seconds between plain lines
_WIDE, _LONG_BAR, _SHORT_BAR = 110, 30, 10
_TIME = 8
"""Columns from which on the bar is a long one; columns of the bars, and of the time left."""


class Progress(Protocol):
    """Told after every step what was reached, and now and then something worth keeping on the screen."""

    def step(self, done: int, text: str) -> None: ...

    def note(self, text: str) -> None: ...


class Silent:
    """Progress that nobody wants to see."""

    def step(self, done: int, text: str) -> None: ...

    def note(self, text: str) -> None: ...


class _Bar:
    def __init__(self, bar: RichProgress, title: str, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task(title, total=total, text="")

    def step(self, done: int, text: str) -> None:
        self._bar.update(self._task, completed=done, text=text)

    def note(self, text: str) -> None:
        self._bar.console.print(text, highlight=False)


class _Fields(ProgressColumn):
    """What is told of a step, in whole fields: the first ones that fit beside the rest of the line."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self._columns = columns

    def render(self, task: Task) -> Text:
        total = f"{task.total or 0:.0f}"
        others = (task.description, "100%", f"{total}/{total}")
        room = self._columns - sum(len(each) + 1 for each in others) - _bar_width(self._columns) - _TIME - 3
        return Text(fitting(str(task.fields["text"]), room), no_wrap=True)


def _bar_width(columns: int) -> int:
    return _LONG_BAR if columns >= _WIDE else _SHORT_BAR


def fitting(text: str, room: int) -> str:
    """The fields of ``text`` (two spaces between them) that fit into ``room`` columns, none of them cut.

    Of a first one that is too long what stands in parentheses is left out.

    Example:
        >>> fitting("loss 0.5 (task 0.1, teacher 0.4)  lr 0.05", 20)
        'loss 0.5  lr 0.05'
    """
    first, *others = text.split("  ")
    line = first if len(first) <= room else first.partition(" (")[0]
    if len(line) > room:
        return ""
    for field in others:
        if len(line) + 2 + len(field) > room:
            break
        line = f"{line}  {field}"
    return line


class _Lines:
    def __init__(self, title: str, total: int) -> None:
        self._title, self._total, self._last = title, total, time.monotonic()
        self._first: tuple[int, float] | None = None

    def step(self, done: int, text: str) -> None:
        self._first = self._first or (done, time.monotonic())
        if time.monotonic() - self._last >= LINE_EVERY:
            self.note(f"{self._title} {done}/{self._total}  {text}{self._left(done, *self._first)}")

    def _left(self, done: int, first: int, since: float) -> str:
        """Time for the rest at the pace so far."""
        if done == first:
            return ""
        seconds = (time.monotonic() - since) / (done - first) * (self._total - done)
        return f"  {timedelta(seconds=round(seconds))} left"

    def note(self, text: str) -> None:
        self._last = time.monotonic()
        print(text, file=sys.stderr, flush=True)


@contextmanager
def progress(title: str, total: int, show: bool = True) -> Iterator[Progress]:
    """Progress of ``total`` steps, shown until the block ends."""
    if not show:
        yield Silent()
    elif not sys.stderr.isatty():
        yield _Lines(title, total)
    else:
        with _terminal() as console:
            columns = (
                TextColumn("{task.description}"), BarColumn(_bar_width(console.width)), TaskProgressColumn(),
                MofNCompleteColumn(), TimeLeft(compact=True), _Fields(console.width),
            )  # fmt: skip
            with RichProgress(*columns, console=console) as bar:
                yield _Bar(bar, title, total)


@contextmanager
def _terminal() -> Iterator[Console]:
    """Stderr as it is now: what others write there may be held for minutes (``tvm_messages``), and a bar moves on."""
    try:
        copied = os.dup(sys.stderr.fileno())
    except OSError:  # no file, as in a notebook
        yield Console(stderr=True)
        return
    with os.fdopen(copied, "w", encoding=sys.stderr.encoding, errors="backslashreplace") as terminal:
        yield Console(file=terminal)

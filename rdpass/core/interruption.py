"""SIGINT and SIGTERM during long work: the step is finished, the state saved, then the process ends as it was told to.

Outside a shielded block, where nothing is half done, a signal unwinds at once: a loader that hangs holds nobody up.
Inside, it waits for the block's end; a second one does not wait.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

TERMINATED = 128 + signal.SIGTERM


class Interrupted(BaseException):
    """A signal was taken up at a point where the state is whole."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    def leave(self) -> NoReturn:
        """End as the signal asks: ``KeyboardInterrupt`` (exit code 130), or ``SystemExit`` with 143."""
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(TERMINATED)


class Interruption:
    """Handles both signals while the ``with`` block lasts; in threads other than the main one it leaves them alone.

    ``deferred``: never unwind from the handler, for several processes must agree on the step they stop after.
    """

    def __init__(self, deferred: bool = False) -> None:
        self._deferred, self.pending, self.shielded = deferred, 0, False
        self._before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(error, Interrupted):
            error.leave()

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Finish the block before a signal is taken up."""
        self.shielded = True
        yield
        self.shielded = False
        if self.pending and not self._deferred:
            raise Interrupted(self.pending)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.pending:
            Interrupted(number).leave()
        self.pending = number
        if not self.shielded and not self._deferred:
            raise Interrupted(number)

"""A limit on a process's time, kept by the interrupt that a training engine already knows how to obey."""

from __future__ import annotations

import math
import os
import signal
import threading

AGAIN = 20.0  # seconds; an interrupt that arrives inside a finaliser or an import's callback is lost on Python


class TimeLimit:
    """After ``seconds`` this process interrupts itself: a training saves its state, and the block is left.

    It does so again every ``AGAIN`` seconds until the block is left. ``reached`` tells that interrupt from a user's.
    Nothing happens where ``seconds`` is infinite. A process that a shell put into the background may have been told to
    ignore interrupts; while the block lasts, it hears them.
    """

    def __init__(self, seconds: float) -> None:
        self.reached = False
        self._left = threading.Event()
        self._watch = threading.Thread(target=self._interrupt, args=(seconds,), daemon=True)
        self._is_limited = math.isfinite(seconds)
        self._is_deaf = False

    def __enter__(self) -> TimeLimit:
        if self._is_limited:
            self._is_deaf = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
            if self._is_deaf:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        if self._is_deaf:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _interrupt(self, seconds: float) -> None:
        while not self._left.wait(seconds):
            self.reached, seconds = True, AGAIN
            os.kill(os.getpid(), signal.SIGINT)

"""A limit on a process's time, kept by the interrupt that a training engine already knows how to obey."""

from __future__ import annotations

import math
import os
import signal
import threading


class TimeLimit:
    """After ``seconds`` this process interrupts itself: a training saves its state, and the block is left.

    ``reached`` tells that interrupt from a user's. Nothing happens where ``seconds`` is infinite.
    """

    def __init__(self, seconds: float) -> None:
        self.reached = False
        self._timer = threading.Timer(seconds, self._interrupt) if math.isfinite(seconds) else None

    def __enter__(self) -> TimeLimit:
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _interrupt(self) -> None:
        self.reached = True
        os.kill(os.getpid(), signal.SIGINT)

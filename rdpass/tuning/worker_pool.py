"""Worker processes that jobs are given to: one that crashes or hangs is replaced, and its job has no timing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, Generic, TypeVar

import rdpass
from rdpass.tuning.job import Job, Timing, Trouble

Ticket = TypeVar("Ticket")

_CHECKED_EVERY = 0.2  # seconds
_OWN_FAULTS = {signal.SIGSEGV, signal.SIGILL, signal.SIGBUS, signal.SIGFPE, signal.SIGABRT}


class WorkerPool(Generic[Ticket]):
    """``size`` workers; tickets say whose job it is that was done. They are gone when the ``with`` block ends.

    ``check`` is called several times a second while they work; what it raises ends the waiting.
    """

    def __init__(self, size: int, check: Callable[[], None]) -> None:
        self._check = check
        self._workers = [_Worker() for _ in range(size)]
        self._doing: dict[_Worker, Ticket] = {}

    def __enter__(self) -> WorkerPool[Ticket]:
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._workers:
            worker.kill()

    def run(self, take: Callable[[], tuple[Ticket, Job] | None]) -> Iterator[tuple[Ticket, Timing | Trouble]]:
        """Run each job that ``take`` gives, and yield its outcome. Asked when a worker is idle; None: none now."""
        while True:
            for worker in self._workers:
                given = None if worker in self._doing else take()
                if given is not None:
                    self._doing[worker], job = given
                    worker.start(job)
            if not self._doing:
                return
            yield from self._answers()

    def _answers(self) -> Iterator[tuple[Ticket, Timing | Trouble]]:
        busy = {worker.connection: worker for worker in self._doing}
        patience = min(min(worker.deadline for worker in self._doing) - time.monotonic(), _CHECKED_EVERY)
        ready = {busy[connection] for connection in wait(list(busy), max(patience, 0.0))}  # type: ignore[index]
        self._check()
        for worker in list(self._doing):
            if worker in ready:
                yield self._doing.pop(worker), worker.answer()
            elif worker.deadline <= time.monotonic():
                worker.kill()
                yield self._doing.pop(worker), Trouble(f"no answer after {worker.timeout:g} s")


class _Worker:
    """A process, started when it has something to do."""

    connection: Connection[Any, Any]

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self.deadline = self.timeout = 0.0

    def start(self, job: Job) -> None:
        if self._process is None:
            self._launch()
        # The worker's own limit comes first, so that a board is left in order where that is possible.
        self.timeout = job.timeout
        self.deadline = time.monotonic() + job.timeout + 1.0
        with contextlib.suppress(OSError):  # it died; that there is no answer will tell
            self.connection.send(job)

    def answer(self) -> Timing | Trouble:
        try:
            answer: Timing | Trouble = self.connection.recv()
            return answer
        except (EOFError, OSError):
            return self._last_words()

    def kill(self) -> None:
        """End it, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.connection.close()
            self._said.close()
            self._process = None

    def _launch(self) -> None:
        self.connection, theirs = Pipe()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "rdpass.tuning.worker", str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": _search_path()},
            pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._said,
            start_new_session=True,  # Ctrl-C is for us; we end our workers
        )  # fmt: skip
        theirs.close()

    def _last_words(self) -> Trouble:
        assert self._process is not None
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        self.kill()
        if code < 0:
            return Trouble(f"the process that ran it crashed ({signal.Signals(-code).name})", -code in _OWN_FAULTS)
        return Trouble(f"the process that ran it ended with exit code {code}{f': {lines[-1]}' if lines else ''}")


def _search_path() -> str:
    """This package's folder and what the user has: no empty entry, which would be the current folder."""
    folder = str(Path(rdpass.__file__).parent.parent)
    return os.pathsep.join([folder, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])

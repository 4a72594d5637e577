"""Times tiles and networks where they run: on this host by one worker, on boards by as many as the tracker has of them.

A job without an answer is given again, to whoever is free next. A tile that crashes on this host each time is at fault.
Else nobody knows whether it was the tile: it is left alone for this run, and tuning goes on with the boards there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdpass.core.errors import DeviceError, TargetError
from rdpass.core.optimization import SPEED, Optimize
from rdpass.database.record import Method
from rdpass.deploy.device.tracker import Tracker, check_servers
from rdpass.targets.lookup import Target
from rdpass.tuning.job import Job, Timing, Trouble
from rdpass.tuning.libraries import Libraries, Unbuildable
from rdpass.tuning.outcome import Outcome, Rejected, T, Unknown, allowed_error, judged
from rdpass.tuning.task import NetworkTrial, Trial
from rdpass.tuning.worker_pool import WorkerPool

HERE_TIMEOUT, BOARD_TIMEOUT = 60.0, 120.0
_NETWORK = 5
"""Times as long a whole network may take."""

_ATTEMPTS = 3
_TROUBLES_HERE = 9  # in a row
_FLUSH = 32 << 20  # bytes at most


@dataclass
class _Ticket:
    """A trial that is under way: what was built for it, and how often it was tried."""

    trial: Any
    job: Job
    attempts: int = 0


class Devices:
    """Measures on this host, or on the boards of ``tracker``. ``optimize``: what defaults are chosen for."""

    def __init__(
        self, target: Target, tracker: Tracker | None, timeout: float | None, folder: Path, optimize: Optimize = SPEED
    ) -> None:
        """
        Raises:
            TargetError: the compiler for ``target`` is missing.
            DeviceError: the tracker, or a server with its key, can't be reached.
        """
        self.method: Method = "host" if tracker is None else "rpc"
        self._size = 1 if tracker is None else check_servers(tracker)
        self._target, self._tracker = target, tracker
        self._libraries = Libraries(target, folder, optimize)
        self._timeout = timeout or (HERE_TIMEOUT if tracker is None else BOARD_TIMEOUT)
        self._again: list[_Ticket] = []
        self._unbuilt: list[tuple[Any, Outcome]] = []
        self._troubles = 0  # since something was measured

    def measure(self, take: Callable[[], T | None], check: Callable[[], None]) -> Iterator[tuple[T, Outcome]]:
        with WorkerPool[_Ticket](self._size, check) as pool:
            while True:
                for ticket, answer in pool.run(lambda: self._next(take, check)):
                    outcome = self._outcome(ticket, answer)
                    if outcome is not None:
                        Path(ticket.job.tuned.library).unlink()
                        yield ticket.trial, outcome
                    yield from self._take_unbuilt()
                if not self._unbuilt:
                    return
                yield from self._take_unbuilt()

    def _take_unbuilt(self) -> Iterator[tuple[Any, Outcome]]:
        while self._unbuilt:
            yield self._unbuilt.pop()

    def _next(self, take: Callable[[], T | None], check: Callable[[], None]) -> tuple[_Ticket, Job] | None:
        if self._again:
            ticket = self._again.pop()
            return ticket, ticket.job
        trial = take()
        if trial is None:
            return None
        try:
            job = self._job(trial, check)
        except Unbuildable as error:
            self._unbuilt.append((trial, Rejected(str(error))))
            return None
        return _Ticket(trial, job), job

    def _job(self, trial: Trial | NetworkTrial, check: Callable[[], None]) -> Job:
        default = self._libraries.default(trial)
        check()  # a network takes a while to build
        return Job(
            default=default,
            tuned=self._libraries.tuned(trial),
            threads=self._target.cores,
            rounds=trial.rounds,
            flush=min(self._target.last_cache_bytes, _FLUSH),
            tracker=self._tracker,
            timeout=self._timeout * (_NETWORK if isinstance(trial, NetworkTrial) else 1),
        )

    def _outcome(self, ticket: _Ticket, answer: Timing | Trouble) -> Outcome | None:
        """None: it is to be tried again."""
        if isinstance(answer, Timing):
            self._troubles = 0
            return judged(answer, allowed_error(ticket.trial))
        self._troubles += 1
        ticket.attempts += 1
        if self._tracker is not None:
            self._check_boards(self._tracker, answer.reason)
        elif self._troubles >= _TROUBLES_HERE:
            raise TargetError(f"nothing could be measured here in {self._troubles} tries; the last: {answer.reason}")
        if ticket.attempts < _ATTEMPTS:
            self._again.append(ticket)
            return None
        return Rejected(answer.reason) if answer.crashed and self._tracker is None else Unknown(answer.reason)

    def _check_boards(self, tracker: Tracker, reason: str) -> None:
        """
        Raises:
            DeviceError: no board is left, or none has measured anything for a while.
        """
        try:
            check_servers(tracker)
        except DeviceError as error:
            raise DeviceError(f"{error}; the last one failed with: {reason}") from error
        if self._troubles >= _ATTEMPTS * self._size:
            raise DeviceError(
                f"no board with the key {tracker.key!r} at {tracker} has measured anything in"
                f" {self._troubles} tries; the last: {reason}"
            )

"""``tune``: from an ONNX file to a database of tiles that are faster than the untuned ones.

1. The network's distinct workloads are collected, with what the database has of them already.
2. Trial by trial the search picks a tile, a measurer times it beside the default, and the database keeps the record.
3. The winners are timed again.

Whatever ends a run, what was measured is in the database, and the next run goes on from there.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Literal

import onnx

from rdpass.database.best import METHODS, usable
from rdpass.database.folder import add_records, check_writable, read_records
from rdpass.database.record import Method
from rdpass.errors import ConfigError, DeviceError, TargetError
from rdpass.interruption import Interrupted, Interruption
from rdpass.kernels.machine import machine_of
from rdpass.lowering import import_onnx, workloads_of
from rdpass.onnx.source import OnnxSource, read_onnx
from rdpass.progress import progress
from rdpass.targets.lookup import HOST, ArmTarget, find_target
from rdpass.tuning.devices import Devices
from rdpass.tuning.estimates import Estimates
from rdpass.tuning.notes import described, note_failures, note_spread, reason_of
from rdpass.tuning.outcome import Measurer, Unknown, record_of
from rdpass.tuning.report import Tuning, summarise
from rdpass.tuning.search import Search
from rdpass.tuning.task import Task, Trial, make_tasks
from rdpass.tuning.tracker import parse_tracker

TRIALS = 400
_SEARCHING = 0.85  # of the time there is; the rest is for winners


def tune(
    onnx: str | Path | onnx.ModelProto,
    target: str | ArmTarget = HOST,
    database: str | Path = "tune",
    *,
    trials: int = TRIALS,
    seconds: float | None = None,
    model: Literal["mca"] | None = None,
    rpc: str | None = None,
    key: str | None = None,
    timeout: float | None = None,
    show_progress: bool = True,
) -> Tuning:
    """Search the kernels' tiles for the workloads of ``onnx`` on ``target``, and keep what is found in ``database``.

    Without ``rpc`` and ``model`` tiles are timed on this host, with as many threads as the target has cores.

    Args:
        onnx: a file or a model, of static shapes.
        target: a name that ``rdpass targets`` lists, or a target of one's own.
        database: a folder; it is made where there is none. ``compile(..., database=...)`` takes it.
        trials: tiles to try in all, those that the database has counted.
        seconds: time after which nothing new is begun.
        model: ``mca`` estimates instead of measuring, by emulation and llvm-mca.
        rpc: ``HOST:PORT`` of a TVM tracker that lends boards.
        key: the key under which the boards are registered there.
        timeout: seconds that one measurement may take; by default 60 on this host and 120 on a board.
        show_progress: show on stderr how far it is.

    Raises:
        ConfigError: the model, an argument or the database's folder can't be used.
        TargetError: a tool is missing, or no tile at all could be used.
        DeviceError: the tracker or its boards can't be reached, or all of them failed.
    """
    chosen = find_target(target) if isinstance(target, str) else target
    _check(chosen, trials, seconds, model, rpc, key)
    folder = Path(database)
    source = read_onnx(Path(onnx) if isinstance(onnx, str) else onnx)
    check_writable(folder)
    # A signal is not to unwind from within TVM, which would take it for a failure of its own.
    with tempfile.TemporaryDirectory() as place, Interruption(deferred=True) as interruption:
        measurer = _measurer(chosen, model, rpc, key, timeout, Path(place))
        tasks = _tasks(source, chosen, folder, measurer.method)
        search = Search(tasks, trials, chosen.clock_ghz, confirms=measurer.method != "mca")
        fresh = _run(search, measurer, chosen, folder, seconds, interruption, show_progress)
    return summarise(tasks, chosen, measurer.method, fresh)


def _check(
    target: ArmTarget, trials: int, seconds: float | None, model: str | None, rpc: str | None, key: str | None
) -> None:
    if trials < 1 or (seconds is not None and seconds <= 0):
        raise ConfigError(f"trials and seconds are to be positive, got {trials} and {seconds}")
    if model not in (None, "mca"):
        raise ConfigError(f"no model is called {model!r}; there is mca")
    if (rpc is None) != (key is None):
        raise ConfigError("a tracker (rpc) and the key of its boards (key) are given together")
    if rpc is not None and model is not None:
        raise ConfigError("either boards (rpc) or a model (model) say how long a tile takes, not both")
    if rpc is None and model is None and not target.is_native:
        raise TargetError(
            f"{target.name} is not this machine: lend boards by a tracker (--rpc HOST:PORT --key KEY), or estimate"
            " without any (--model mca)"
        )


def _measurer(
    target: ArmTarget, model: str | None, rpc: str | None, key: str | None, timeout: float | None, folder: Path
) -> Measurer:
    if model is not None:
        return Estimates(target)
    return Devices(target, parse_tracker(rpc, key) if rpc and key else None, timeout, folder)


def _tasks(source: OnnxSource, target: ArmTarget, folder: Path, method: Method) -> tuple[Task, ...]:
    """With the records that compare with what is going to be measured.

    Raises:
        TargetError: no kernel of ours computes anything of the network.
    """
    comparable = next(methods for methods in METHODS if method in methods)
    records = [record for record in usable(read_records(folder), target) if record.method in comparable]
    tasks = make_tasks(workloads_of(import_onnx(source), target), machine_of(target), records)
    if not tasks:
        raise TargetError("there is nothing to tune: no kernel with a choice of tiles computes a part of this network")
    return tasks


def _run(
    search: Search, measurer: Measurer, target: ArmTarget, folder: Path, seconds: float | None,
    interruption: Interruption, show_progress: bool,
) -> int:  # fmt: skip
    """Returns how many records were added.

    Raises:
        TargetError, DeviceError: no tile at all could be used.
    """
    begun, added, reasons = time.monotonic(), 0, Counter[str]()

    def take() -> Trial | None:
        spent = 0.0 if seconds is None else (time.monotonic() - begun) / seconds
        if spent >= _SEARCHING:
            search.stop()
        return None if spent >= 1.0 else search.next()

    def check() -> None:
        if interruption.pending:
            raise Interrupted(interruption.pending)

    with progress("tune", search.trials, show_progress) as shown:
        shown.note(f"{len(search.tasks)} workloads; {search.done} of {search.trials} trials are in {folder} already")
        try:
            check()
            for trial, outcome in measurer.measure(take, check):
                record = None if isinstance(outcome, Unknown) else record_of(trial, outcome, target, measurer.method)
                if record is not None:
                    add_records(folder, [record])
                    added += 1
                if record is None or record.failure is not None:
                    reasons[reason_of(outcome)] += 1
                search.finish(trial, record)
                shown.step(search.done, described(search, trial, record))
                check()
        except (Interrupted, KeyboardInterrupt, SystemExit):
            shown.note(f"interrupted; {search.done} trials are in {folder}, and the same command goes on from there")
            raise
        note_failures(shown, reasons)
        note_spread(shown, search)
    _check_found(search, measurer.method, reasons)
    return added


def _check_found(search: Search, method: Method, reasons: Counter[str]) -> None:
    if any(record.ratio is not None for task in search.tasks for record in task.records):
        return
    why = reasons.most_common(1)[0][0] if reasons else "the time was over before the first was measured"
    kind = DeviceError if method == "rpc" else TargetError
    raise kind(f"tuning found nothing: of {sum(reasons.values())} tiles none could be used: {why}")

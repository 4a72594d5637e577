"""``tune``: from an ONNX file to a database of tiles that are faster than the untuned ones.

1. The network's distinct workloads are collected, with what the database has of them already.
2. Trial by trial the search picks a tile, a measurer times it beside the default, and the database keeps the record.
3. The winners are timed again.
4. The whole network is timed with the winners and without.

Whatever ends a run, what was measured is in the database, and the next run goes on from there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import onnx

from rdpass.core.errors import ConfigError, TargetError
from rdpass.core.input_size import InputSizes, as_sizes
from rdpass.core.interruption import Interrupted, Interruption
from rdpass.core.numeric_types import Precision
from rdpass.core.optimization import SPEED, Optimize, check_optimize
from rdpass.core.progress import progress
from rdpass.database.best import comparable, read_best, usable
from rdpass.database.choice import choose_tiles
from rdpass.database.folder import check_writable, read_records
from rdpass.database.record import Method
from rdpass.deploy.device.tracker import parse_tracker
from rdpass.deploy.precision import check_precision, precision_of, target_for
from rdpass.kernels.machine import machine_of
from rdpass.onnx.source import read_onnx
from rdpass.targets.lookup import HOST, Target, find_target
from rdpass.tuning.comparing import compare_network
from rdpass.tuning.devices import Devices
from rdpass.tuning.estimates import Estimates
from rdpass.tuning.outcome import Measurer
from rdpass.tuning.report import Tuning, summarise
from rdpass.tuning.search import Search
from rdpass.tuning.searching import search_tiles
from rdpass.tuning.session import Session
from rdpass.tuning.task import Network, Task, make_tasks, read_network

TRIALS = 400


def tune(
    onnx: str | Path | onnx.ModelProto,
    target: str | Target = HOST,
    database: str | Path = "tune",
    *,
    example: InputSizes = None,
    precision: Precision | None = None,
    optimize: Optimize = SPEED,
    trials: int = TRIALS,
    seconds: float | None = None,
    model: Literal["mca"] | None = None,
    rpc: str | None = None,
    key: str | None = None,
    timeout: float | None = None,
    show_progress: bool = True,
) -> Tuning:
    """Search the kernels' tiles for the workloads of ``onnx`` on ``target``, and keep what is found in ``database``.

    Without ``rpc`` and ``model`` tiles are timed on this host, with as many threads as the target has cores. At the end
    the whole network is timed, with the best tiles and without.

    Args:
        onnx: a file or a model.
        target: a name that ``rdpass targets`` lists, or a target of one's own.
        database: a folder; it is made where there is none. ``compile(..., database=...)`` takes it.
        example: the inputs' sizes, as ``compile`` takes them.
        precision: "float32", "fp16" or "int8", as ``compile`` takes it. Each has tiles of its own in the database.
        optimize: "speed", "balanced" or "size", as ``compile`` takes it. But for speed only tiles are tried whose
            weights are no larger than the default's. Each has records of its own in the database.
        trials: tiles to try in all, those that the database has counted. With 0 only the whole network is timed, once
            more if it was.
        seconds: time after which no tile is begun.
        model: ``mca`` estimates instead of measuring, by emulation and llvm-mca.
        rpc: ``HOST:PORT`` of a TVM tracker that lends boards.
        key: the key under which the boards are registered there.
        timeout: seconds that one measurement of a tile may take, by default 60 on this host and 120 on a board; a whole
            network may take five times as long.
        show_progress: show on stderr how far it is.

    Returns:
        What the database has for the network now; times are in seconds.

    Raises:
        ConfigError: the model, an argument or the database's folder can't be used.
        TargetError: a tool is missing, or no tile at all could be used.
        DeviceError: the tracker or its boards can't be reached, or all of them failed.

    Example:
        >>> import rdpass
        >>> tuning = rdpass.tune("student.onnx", database="tuned", trials=1, show_progress=False)
        >>> len(tuning.workloads) > 0 and tuning.fresh > 0
        True
    """
    chosen = find_target(target) if isinstance(target, str) else target
    _check(chosen, trials, seconds, model, rpc, key)
    check_precision(precision)
    check_optimize(optimize)
    folder = Path(database)
    source = read_onnx(Path(onnx) if isinstance(onnx, str) else onnx, as_sizes(example))
    chosen = target_for(source, target)
    computed = precision_of(source, precision, chosen)
    check_writable(folder)
    # A signal is not to unwind from within TVM, which would take it for a failure of its own.
    with (
        tempfile.TemporaryDirectory() as place, Interruption(deferred=True) as interruption,
        progress("tune", trials, show_progress) as shown,
    ):  # fmt: skip
        measurer = _measurer(chosen, optimize, model, rpc, key, timeout, Path(place))
        network = read_network(source, chosen, computed, optimize)
        tasks = _tasks(network, chosen, folder, measurer.method)
        search = Search(tasks, trials, chosen.clock_ghz, confirms=measurer.method != "mca")
        session = Session(measurer, chosen, folder, shown, interruption, optimize)
        with _told(session, search):
            if trials:
                search_tiles(session, search, seconds)
            compare_network(session, network, again=not trials)
    verdict = choose_tiles(read_best(folder, chosen, optimize), network.workloads).verdict
    return summarise(tasks, chosen, measurer.method, session.added, verdict, optimize)


def _check(
    target: Target, trials: int, seconds: float | None, model: str | None, rpc: str | None, key: str | None
) -> None:
    if trials < 0 or (seconds is not None and seconds <= 0):
        raise ConfigError(f"trials are to be 0 or more and seconds positive, got {trials} and {seconds}")
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
    target: Target, optimize: Optimize, model: str | None, rpc: str | None, key: str | None, timeout: float | None,
    folder: Path,
) -> Measurer:  # fmt: skip
    if model is not None:
        return Estimates(target, optimize)
    return Devices(target, parse_tracker(rpc, key) if rpc and key else None, timeout, folder, optimize)


def _tasks(network: Network, target: Target, folder: Path, method: Method) -> tuple[Task, ...]:
    """With the records that compare with what is going to be measured.

    Raises:
        TargetError: no kernel of ours computes anything of the network.
    """
    own = usable(read_records(folder), target, network.optimize)
    records = [record for record in own if record.method in comparable(method)]
    tasks = make_tasks(network.workloads, machine_of(target, network.optimize), records)
    if not tasks:
        raise TargetError("there is nothing to tune: no kernel with a choice of tiles computes a part of this network")
    return tasks


@contextmanager
def _told(session: Session, search: Search) -> Iterator[None]:
    """Say what is there already and, if there is an interruption, what will be the next time."""
    note, where = session.shown.note, session.folder
    wanted = f" of {search.trials}" if search.trials else ""
    note(f"{len(search.tasks)} workloads; {search.done}{wanted} trials are in {where} already")
    try:
        yield
    except (Interrupted, KeyboardInterrupt, SystemExit):
        note(f"interrupted; {search.done} trials are in {where}, and the same command goes on from there")
        raise

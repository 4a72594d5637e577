"""How near the kernels that nobody tuned are to the best of all that the tuner may choose: by estimated time.

    python benchmarks/defaults.py --target cortex-a76 --precision int8 --db counts/ --json
    python benchmarks/defaults.py --networks torchvision:resnet18 --tiles 0 --db counts/       # every tile

The workloads with most of a network's time, until they have --share of it, are counted with their default tiles and
with others of the tuner's space (``rdpass tune --model mca``). Where a workload has more than --tiles others (0: no
limit), half of those are the ones that look best, each template's in turn, and half lie evenly among the rest, which an
account that is off would not find. Records go into the database --db, and what is in it is not counted again, for
another network neither. Kernels that the cost model has no cycles for (means, classes, tables) are left out.

``ratio`` is the time of all kernels counted with their default tiles over their time with the best tiles found:
docs/precision.md has the figures, docs/tuning.md what the estimates are. The exit code is 1 if a tile gave wrong
numbers.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from rdpass.capture.trace import trace
from rdpass.cli.tables import print_table
from rdpass.core.errors import RdpassError
from rdpass.core.numeric_types import BYTES, Precision
from rdpass.core.tvm_messages import without_tvm_lines
from rdpass.database.best import settled, usable
from rdpass.database.folder import add_records, read_records
from rdpass.database.record import Record
from rdpass.kernels.choice import Ranked
from rdpass.kernels.machine import machine_of
from rdpass.onnx.export import draft_onnx
from rdpass.onnx.source import OnnxSource, read_onnx
from rdpass.profiling.account.choices import as_precision
from rdpass.profiling.emulation.boards import find_board
from rdpass.sources.models import load_model
from rdpass.targets.target import Target
from rdpass.tuning.estimates import Estimates
from rdpass.tuning.outcome import Outcome, Unknown, record_of
from rdpass.tuning.task import Task, Trial, make_tasks, read_network

NETWORKS = (
    "torchvision:resnet18", "torchvision:resnet50", "torchvision:mobilenet_v2", "torchvision:regnet_y_400mf",
    "torchvision:efficientnet_b0",
)  # fmt: skip
SIDE, TILES, SHARE = 64, 8, 0.9


@dataclass(frozen=True)
class Kernel:
    """One workload that was counted: its calls, microseconds of one with the default tile and with the best found."""

    workload: str
    calls: int
    tiles: int
    space: int
    default: str
    best: str
    default_us: float
    best_us: float

    @property
    def ratio(self) -> float:
        return self.default_us / self.best_us

    @property
    def lost_us(self) -> float:
        return self.calls * (self.default_us - self.best_us)


@dataclass(frozen=True)
class Row:
    """One network: how many workloads were counted, of how many, and what share of its time they are by the account."""

    network: str
    target: str
    precision: Precision
    workloads: int
    of: int
    share: float
    default_us: float
    best_us: float
    ratio: float
    kernels: tuple[Kernel, ...]
    wrong: tuple[str, ...]


def row_of(
    network: str, source: OnnxSource, target: Target, precision: Precision, database: Path, tiles: int = TILES,
    share: float = SHARE,
) -> Row:  # fmt: skip
    """Count what is not in the database, and compare.

    Raises:
        ConfigError: the network can't be compiled, or the database can't be read or written.
        TargetError: there is no model of the core, or a tool is missing.
    """
    found = read_network(source, target, precision)
    records = usable(read_records(database), target)
    tasks = make_tasks(found.workloads, machine_of(target), records)
    chosen, covered = _largest(tasks, target, share)
    trials = [trial for task in chosen for trial in _trials(task, tiles)]
    for trial, outcome in _counted(trials, Estimates(target)):
        if not isinstance(outcome, Unknown):
            record = record_of(trial, outcome, target, Estimates.method)
            assert isinstance(record, Record)
            add_records(database, [record])
            next(task for task in chosen if task.workload == trial.workload).records.append(record)
    counted = [_kernel(task) for task in chosen if settled(task.records)]
    kernels = tuple(sorted(counted, key=lambda kernel: -kernel.lost_us))
    default, best = (sum(each.calls * getattr(each, time) for each in kernels) for time in ("default_us", "best_us"))
    wrong = tuple(
        f"{task.workload.describe()} {record.tile}: {record.failure}"
        for task in chosen for record in task.records if record.failure is not None
    )  # fmt: skip
    return Row(
        network, target.name, precision, len(kernels), len(tasks), round(covered, 3), default, best,
        default / best if best else 1.0, kernels, wrong,
    )  # fmt: skip


def _largest(tasks: Sequence[Task], target: Target, share: float) -> tuple[list[Task], float]:
    """The tasks with most of the network's time by the account, until they have ``share`` of it; and what they have."""
    times = {id(task): task.default.cycles * task.occurrence.calls for task in tasks}
    total, covered = sum(times.values()), 0.0
    chosen = []
    for task in sorted(tasks, key=lambda task: -times[id(task)]):
        if covered < share * total:
            chosen.append(task)
            covered += times[id(task)]
    return chosen, covered / total if total else 1.0


def _trials(task: Task, tiles: int) -> Iterator[Trial]:
    return (
        Trial(task.occurrence, ranked.tile, 1) for ranked in sample(task.ranked, tiles) if ranked.tile not in task.tried
    )


def sample(ranked: Sequence[Ranked], tiles: int) -> Sequence[Ranked]:
    """At most so many (0: all): the first half of them as they come, the rest evenly from what is left."""
    if not tiles or len(ranked) <= tiles:
        return ranked
    first, left = ranked[: (tiles + 1) // 2], ranked[(tiles + 1) // 2 :]
    count = tiles - len(first)
    return [*first, *(left[(2 * number + 1) * len(left) // (2 * count)] for number in range(count))]


def _counted(trials: Sequence[Trial], estimates: Estimates) -> Iterator[tuple[Trial, Outcome]]:
    left = iter(trials)
    with without_tvm_lines():
        yield from estimates.measure(lambda: next(left, None), lambda: None)


def _kernel(task: Task) -> Kernel:
    ratios = {tile: record.ratio or 1.0 for tile, record in settled(task.records).items()}
    default = max(record.default_seconds or 0.0 for record in task.records)
    best, ratio = min([(task.default.tile, 1.0), *ratios.items()], key=lambda pair: (pair[1], repr(pair[0])))
    return Kernel(
        task.workload.describe(), task.occurrence.calls, len(task.tried) + 1, len(task.ranked) + 1,
        str(task.default.tile), str(best), 1e6 * default, 1e6 * default * ratio,
    )  # fmt: skip


def _source(spec: str, side: int, precision: Precision) -> OnnxSource:
    if spec.endswith(".onnx"):
        return as_precision(read_onnx(Path(spec)), precision)
    torch.manual_seed(0)
    model, _ = load_model(spec, None, f"1x3x{side}x{side}", trusted=False)
    traced = trace(model, torch.randn(1, 3, side, side))
    return as_precision(read_onnx(draft_onnx(traced.module, traced.example)), precision)


def _as_json(row: Row) -> dict[str, Any]:
    return {**asdict(row), "kernels": [{**asdict(each), "ratio": round(each.ratio, 4)} for each in row.kernels]}


def _print(rows: Sequence[Row]) -> None:
    columns = ("network", "target", "precision", ">workloads", ">share", ">tiles", ">ms", ">best ms", ">ratio")
    print_table(columns, [
        (row.network, row.target, row.precision, f"{row.workloads}/{row.of}", f"{row.share:.0%}",
         f"{sum(each.tiles for each in row.kernels)}/{sum(each.space for each in row.kernels)}",
         f"{row.default_us / 1e3:.3f}", f"{row.best_us / 1e3:.3f}", f"{row.ratio:.3f}")
        for row in rows
    ], "Default tiles beside the best counted, estimated")  # fmt: skip
    for row in rows:
        for each in row.kernels[:3]:
            if each.ratio > 1.01:
                print(f"{row.network}: {each.ratio:.3f} {each.workload}: {each.default} -> {each.best}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), help="torchvision:NAME, timm:NAME, FILE.onnx")
    parser.add_argument("--target", default="cortex-a76", help="a board or a core")
    parser.add_argument("--precision", choices=get_args(Precision), default=BYTES, help="what it computes in")
    parser.add_argument("--side", type=int, default=SIDE, help="pixels of an image's side")
    parser.add_argument("--tiles", type=int, default=TILES, help="tiles of a workload beside its default; 0: all")
    parser.add_argument("--share", type=float, default=SHARE, help="of a network's time that is looked at")
    parser.add_argument("--db", type=Path, required=True, help="folder that keeps what was counted")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    rows: list[Row] = []
    try:
        target = find_board(options.target)
        for spec in options.networks:
            source = _source(spec, options.side, options.precision)
            rows.append(row_of(spec, source, target, options.precision, options.db, options.tiles, options.share))
            print(f"{spec}: {rows[-1].ratio:.3f}", file=sys.stderr, flush=True)
    except RdpassError as error:
        print(f"defaults: {error}", file=sys.stderr)
        return error.exit_code
    if options.json:
        print(json.dumps([_as_json(row) for row in rows], indent=1))
    else:
        _print(rows)
    return int(any(row.wrong for row in rows))


if __name__ == "__main__":
    sys.exit(main())

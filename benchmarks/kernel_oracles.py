"""Every kernel on every layer of networks that people use, against its oracle: float32, float16 and bytes.

    python -m benchmarks.kernel_oracles --precision float32|fp16|int8 [--on host|BOARD|CORE] [--most N] [--json]
    python -m benchmarks.kernel_oracles --precision int8 --keep kernels.jsonl  # again, it goes on where it stopped

The layers are those of ResNet-18/34/50, plain-50, MobileNetV2, EfficientNet-Lite0 and RegNetY-400MF at 224 px, each
once, with every template that computes it, of each kind of its tiles the one that looks best. On ``host`` they run with
every instruction set of that precision that this machine has; on a board they are built for it and run under the
emulator, which poses as its core where it knows it. Bytes are to be equal to the oracle's, floats within the tolerances
of the suite.

What ``--keep`` wrote of other sources of kernels does not count.

The suite has the small layers; these are all. The exit code is 1 where a kernel was wrong or a layer has none. Random
shapes: ``python -m benchmarks.random_search tests/kernels``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rdpass.core.errors import ConfigError, RdpassError
from rdpass.core.numeric_types import BYTES, FLOAT16, HALF, SINGLE, NumericTypes, Precision
from rdpass.database.keys import code_key
from rdpass.kernels.choice import computes, label, rank_tiles
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.profiling.emulation.boards import find_board
from rdpass.targets.isa import Isa, isa_of
from rdpass.targets.lookup import host_target
from rdpass.targets.target import Target
from tests.kernels.case import Case
from tests.kernels.cases import case_of, machine_with
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import retyped
from tests.kernels.integers import ISAS, bytes_of
from tests.kernels.networks import all_layers, layers_of_bytes
from tests.kernels.tester import check
from tests.kernels.tolerances import tolerance_of

_TOGETHER = 8
"""Kernels of one emulated program."""
_WRONG = (RdpassError, AssertionError, subprocess.CalledProcessError)


@dataclass(frozen=True)
class Outcome:
    """How far one kernel was from its oracle, relative to the largest output; ``wrong``: what was the matter.

    ``trial`` and ``code`` tell it from others: where it ran, workload, tile and instruction set; the kernels' sources.
    """

    trial: str
    code: str
    kind: str
    error: float
    wrong: str = ""


@dataclass
class Tally:
    """Counts, and what was wrong; ``worst``: the largest relative error of each kind of kernel."""

    layers: int = 0
    kernels: int = 0
    worst: dict[str, float] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, outcome: Outcome) -> None:
        self.kernels += 1
        if outcome.wrong:
            self.wrong.append(outcome.wrong)
        else:
            self.worst[outcome.kind] = max(self.worst.get(outcome.kind, 0.0), outcome.error)


@dataclass(frozen=True)
class _Trial:
    work: Workload
    tile: Tile
    isa: Isa

    @property
    def tolerance(self) -> float:
        numeric = self.work.types.input
        return tolerance_of(self.tile, numeric) if numeric.is_float else 0.0

    @property
    def kind(self) -> str:
        return f"{self.work.types.input.abbreviation}_{label(self.tile)}"

    def name(self, on: str) -> str:
        return f"{on}: {self.work} {self.tile} {self.isa.name} {self.isa.multiplies[1].name}"

    def case(self) -> Case:
        return case_of(self.work, self.tile, self.isa)


def compare(precision: Precision, on: str = "host", most: float = float("inf"), keep: Path | None = None) -> Tally:
    """Compare every kernel on every layer of at most so many multiplications.

    ``keep``: outcomes are appended to this file, a line of JSON each, and what is in it is not compared again.

    Raises:
        ConfigError: no instruction set there computes in that precision.
        TargetError: there is no such board, or no compiler or emulator for it.
    """
    board = None if on == "host" else find_board(on)
    tally, trials = Tally(), []
    for isa in _instruction_sets(precision, board):
        layers = [layer for layer in _layers(precision, isa) if layer.operations <= 2 * most]
        tally.layers += len(layers)
        tally.without += [
            f"{isa.name}: {layer.describe()}" for layer in layers if not computes(layer, machine_with(isa))
        ]
        trials += [trial for layer in layers for trial in _trials(layer, isa)]
    known, pending = {outcome.trial: outcome for outcome in _kept(keep)}, []
    for trial in trials:
        if (outcome := known.get(trial.name(on))) is None:
            pending.append(trial)
        else:
            tally.note(outcome)
    for outcome in _run_all(pending, on, board):
        tally.note(outcome)
        if outcome.wrong:
            print(f"wrong: {outcome.wrong}", file=sys.stderr, flush=True)
        if keep is not None:
            with keep.open("a") as file:
                print(json.dumps(asdict(outcome)), file=file)
    return tally


def _kept(path: Path | None) -> Iterator[Outcome]:
    """Outcomes of an earlier run with the same sources of kernels; a last line that was cut off is left out."""
    if path is None or not path.exists():
        return
    for line in path.read_text().splitlines():
        with contextlib.suppress(ValueError, TypeError):
            outcome = Outcome(**json.loads(line))
            if outcome.code == code_key():
                yield outcome


def _instruction_sets(precision: Precision, board: Target | None) -> Sequence[Isa]:
    if board is None and precision == BYTES:
        return ISAS
    isa = isa_of(board or host_target())
    if precision == HALF and not isa.computes(NumericTypes.all(FLOAT16)):
        raise ConfigError(f"{isa.name} has no float16 on {(board or host_target()).name}; --on rpi5 has")
    return [isa]


def _layers(precision: Precision, isa: Isa) -> Sequence[Workload]:
    if precision == BYTES:
        return layers_of_bytes(bytes_of(isa))
    return [retyped(layer, NumericTypes.all(FLOAT16)) for layer in all_layers()] if precision == HALF else all_layers()


def _trials(layer: Workload, isa: Isa) -> Iterator[_Trial]:
    """One of each kind of tiles, each kernel alone."""
    if not computes(layer, machine_with(isa)):
        return
    best: dict[str, Tile] = {}
    for ranked in rank_tiles(layer, machine_with(isa)):
        if not ranked.tile.halves:
            best.setdefault(label(ranked.tile), ranked.tile)
    for tile in best.values():
        yield _Trial(layer, tile, isa)


def _run_all(trials: Sequence[_Trial], on: str, board: Target | None) -> Iterator[Outcome]:
    together = 1 if board is None else _TOGETHER
    for begin in range(0, len(trials), together):
        yield from _run(trials[begin : begin + together], on, board)


def _run(trials: Sequence[_Trial], on: str, board: Target | None) -> Iterator[Outcome]:
    """Several together; where one of them is wrong each alone, to tell which."""
    try:
        errors = _errors(trials, board)
    except _WRONG as error:
        if len(trials) > 1:
            for trial in trials:
                yield from _run([trial], on, board)
        else:
            yield Outcome(trials[0].name(on), code_key(), trials[0].kind, float("inf"), str(error))
        return
    for trial, off in zip(trials, errors, strict=True):
        yield Outcome(trial.name(on), code_key(), trial.kind, off)


def _errors(trials: Sequence[_Trial], board: Target | None) -> list[float]:
    if board is None:
        return [check(trial.case(), trial.tolerance) for trial in trials]
    with tempfile.TemporaryDirectory() as folder:
        cases = [trial.case() for trial in trials]
        errors = check_emulated(cases, board, Path(folder), max(trial.tolerance for trial in trials))
    for trial, error in zip(trials, errors, strict=True):
        assert error <= trial.tolerance, f"{trial.work} {trial.tile} is off by {error:.1e}"
    return errors


def _print(tally: Tally) -> None:
    print(f"{tally.kernels} kernels on {tally.layers} layers, {len(tally.wrong)} wrong")
    for kind, error in sorted(tally.worst.items()):
        print(f"  {kind}: {error:.1e}")
    for line in tally.without:
        print(f"no kernel: {line}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=get_args(Precision), default=SINGLE, help="what the layers compute in")
    parser.add_argument("--on", default="host", metavar="BOARD", help="host, a board of `rdpass targets`, or a core")
    parser.add_argument("--most", type=float, default=float("inf"), help="leave out layers of more multiplications")
    parser.add_argument("--keep", type=Path, help="append outcomes to this file, and skip those that are in it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    try:
        tally = compare(options.precision, options.on, options.most, options.keep)
    except RdpassError as error:
        print(f"kernel_oracles: {error}", file=sys.stderr)
        return error.exit_code
    if options.json:
        counts: dict[str, Any] = {"precision": options.precision, "on": options.on, **vars(tally)}
        print(json.dumps(counts, indent=1))
    else:
        _print(tally)
    return int(bool(tally.wrong or tally.without))


if __name__ == "__main__":
    sys.exit(main())

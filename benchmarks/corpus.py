"""A corpus of small ONNX files, as exporters write them, each through both readers.

    python benchmarks/corpus.py --json
    python benchmarks/corpus.py --only keras --parts host
    python benchmarks/corpus.py --quick
    python benchmarks/corpus.py --keep corpus.jsonl          # again, it goes on where it was stopped

The files are written anew each time, from fixed seeds: networks in the habits of exporters, single operators by opset,
graphs of odd ends, what torch's exporters make, what quantisers write. Each goes through these parts:

census    read into torch, its numbers and the shortcuts found
host      built for this host, and run
emulated  every --emulate-every th of those that are right, in a bundle for --target, under the emulator

Numbers are compared with those of ONNX Runtime on the file as it was written. A part ends

right      the numbers are right, and so are the shortcuts
refused    by a typed error of exit code 2, whose text is kept; what should be taken is counted apart
wrong      other numbers, another number of shortcuts, or what is to be refused is not
crashed    anything else, words of other libraries on stdout or stderr included

The exit code is 1 if anything is wrong or crashed.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import os
import pickle
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
import tvm

from benchmarks.corpus_files import graphs, habits, operators, quantisers, torch_exports
from benchmarks.corpus_files.file import File, Made
from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, RdpassError
from rdpass.core.input_size import parse_sizes
from rdpass.deploy.bundle.building import compile
from rdpass.deploy.bundle.execution import execute
from rdpass.deploy.lowering import build, import_onnx, run_here
from rdpass.inspection import inspect
from rdpass.onnx.source import read_onnx
from rdpass.onnx.torch_module import load_onnx
from rdpass.targets.lookup import find_target, host_target
from rdpass.targets.toolchain import find_launcher

PARTS = ("census", "host", "emulated")
QUICK = 23
"""Every so manieth file in the quick form."""

_AS_REFUSED = {"census": ("right", "refused"), "host": ("refused",), "emulated": ("refused",)}
"""How a part may end where the file is to be refused: torch takes some of what can't be built."""

Part = Callable[[Made, Path], Sequence[Array]]


class CensusError(Exception):
    """More or fewer shortcuts than the network has."""


@dataclass(frozen=True)
class Outcome:
    """How a file ended in a part. ``expected``: as it should, be that refused."""

    name: str
    habit: str
    part: str
    result: str
    reason: str
    expected: bool
    seconds: float


def files() -> list[File]:
    return [*habits.files(), *operators.files(), *graphs.files(), *torch_exports.files(), *quantisers.files()]


def census(made: Made, path: Path) -> Sequence[Array]:
    """What the module computes that is read of the file; its shortcuts are counted."""
    module, example = load_onnx(path, _sizes(made))
    plan = inspect(module, example)
    if made.shortcuts is not None and len(plan.regions) != made.shortcuts:
        raise CensusError(f"{len(plan.regions)} shortcuts for {made.shortcuts}: {plan.skipped}")
    with torch.no_grad():
        given = made.meant(made.model.graph.input, made.inputs()) if made.meanings else made.inputs()
        found = module(*(torch.from_numpy(_widened(array)) for array in given))
    return [each.numpy() for each in (found if isinstance(found, tuple) else (found,))]


def _widened(array: Array) -> Array:
    """A copy; half precision is read as the network computes it."""
    return np.array(array, np.float32 if array.dtype == np.float16 else array.dtype)


def host(made: Made, path: Path) -> Sequence[Array]:
    """What the library built for this host computes."""
    return run_here(build(import_onnx(read_onnx(path, _sizes(made))), host_target()), made.inputs())


def emulated(target: str) -> Part:
    """What a bundle for ``target`` computes, under the emulator."""

    def run(made: Made, path: Path) -> Sequence[Array]:
        out = path.with_suffix(".rdp")
        bundle = compile(path, target, out, example=made.sizes, show_progress=False)
        return execute(bundle.folder, bundle.manifest, find_launcher(find_target(target)), made.inputs())

    return run


def _sizes(made: Made) -> tuple:  # type: ignore[type-arg]
    return tuple(parse_sizes(made.sizes)) if made.sizes else ()


def run_file(file: File, parts: Mapping[str, Part]) -> Iterator[Outcome]:
    """The file in every part, each in a process of its own, which a fault in foreign code takes down alone."""
    made = file.make()
    expected = [] if file.refused else made.expected()
    for name, part in parts.items():
        yield _isolated(file, name, lambda part=part: _outcome(file, made, expected, part))  # type: ignore[misc]


def _isolated(file: File, part: str, run: Callable[[], tuple[str, str]]) -> Outcome:
    reading, writing = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        faulthandler.disable()  # the status of the process says it, in the place of a page of frames
        _use_one_thread()
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(_heard(run), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        sent = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    result, reason = pickle.loads(sent) if sent else ("crashed", f"the process ended with {status}")
    expected = result in (_AS_REFUSED[part] if file.refused else ("right",))
    return Outcome(file.name, file.habit, part, result, reason, expected, round(time.monotonic() - started, 2))


def _use_one_thread() -> None:
    """The parent's pools of threads are not there in its child, which would wait for them for ever."""
    torch.set_num_threads(1)
    tvm.get_global_func("runtime.config_threadpool")(1, 1)


def _heard(run: Callable[[], tuple[str, str]]) -> tuple[str, str]:
    """What others than rdpass say meanwhile is a crash, too: its own words go through logging, into nothing."""
    logging.getLogger("rdpass").addHandler(logging.NullHandler())
    logging.getLogger("rdpass").propagate = False
    warnings.simplefilter("default")
    for category in (FutureWarning, DeprecationWarning, PendingDeprecationWarning):  # as at the command line
        warnings.simplefilter("ignore", category)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        result, reason = run()
        sys.stdout.flush()
        sys.stderr.flush()
        said.seek(0)
        words = " ".join(said.read().decode(errors="replace").split())
    if words and result in ("right", "refused"):
        return "crashed", f"{result}, but said: {words[:300]} {reason}".rstrip()
    return result, reason


def _outcome(file: File, made: Made, expected: Sequence[Array], part: Part) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.onnx")
        made.write(path)
        try:
            found = part(made, path)
        except ConfigError as error:
            return "refused", _short(error).replace(str(path), "net.onnx")
        except (RdpassError, CensusError) as error:
            return "wrong", f"{type(error).__name__}: {_short(error)}"
        except Exception as error:
            return "crashed", f"{type(error).__name__}: {_short(error)}"
    if file.refused:
        return ("right", "") if part is census else ("wrong", "it was taken, though it should be refused")
    if part is census and made.meanings:
        expected = made.meant(made.model.graph.output, expected)
    reason = _difference(found, expected, made.spread or made.tolerance, part is census, made.spread is not None)
    return ("wrong", reason) if reason else ("right", "")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _difference(
    found: Sequence[Array], expected: Sequence[Array], tolerance: float, widened: bool, spread: bool
) -> str:
    """Where they differ; ``tolerance`` is relative to an output's largest number, or with ``spread`` that of the root
    mean square to the output's."""
    if len(found) != len(expected):
        return f"{len(found)} outputs for {len(expected)}"
    for index, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        kind = np.dtype(np.float32) if widened and wanted.dtype == np.float16 else wanted.dtype
        if got.shape != wanted.shape or got.dtype != kind:
            return f"output {index} is {got.dtype} {got.shape} for {kind} {wanted.shape}"
        distance = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
        size = _root_mean_square if spread else _largest
        off, whole = size(distance), max(size(wanted.astype(np.float64)), 1e-3)
        if not off <= tolerance * whole:
            return f"output {index} differs by {off:.3g} of {whole:.3g}"
    return ""


def _largest(array: Array) -> float:
    return float(np.abs(array).max(initial=0))


def _root_mean_square(array: Array) -> float:
    return float(np.sqrt(np.square(array).mean())) if array.size else 0.0


def run_all(chosen: Sequence[File], parts: Sequence[str], target: str, emulate_every: int,
            done: Sequence[Outcome] = ()) -> Iterator[Outcome]:  # fmt: skip
    """Every file in every part that is not ``done``; in ``emulated`` those that were right for this host."""
    here = {name: part for name, part in (("census", census), ("host", host)) if name in parts}
    before = {(outcome.name, outcome.part): outcome for outcome in done}
    right = []
    for file in chosen:
        known = [before[file.name, part] for part in here if (file.name, part) in before]
        outcomes = known if len(known) == len(here) else list(run_file(file, here))
        yield from outcomes
        if all(outcome.result == "right" for outcome in outcomes):
            right.append(file)
    if "emulated" in parts:
        for file in right[::emulate_every]:
            known = [before[file.name, "emulated"]] if (file.name, "emulated") in before else []
            yield from known or run_file(file, {"emulated": emulated(target)})


def table(outcomes: Sequence[Outcome]) -> list[dict[str, object]]:
    """Of each habit: how many files, and in each part how many ended how."""
    rows = []
    for habit in dict.fromkeys(outcome.habit for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.habit == habit]
        parts = {
            part: dict(Counter(outcome.result for outcome in own if outcome.part == part))
            for part in PARTS
            if any(outcome.part == part for outcome in own)
        }
        rows.append({"habit": habit, "files": len({outcome.name for outcome in own}), **parts})
    return rows


def _printed(rows: Sequence[dict[str, object]]) -> Iterator[str]:
    for row in rows:
        counts = "   ".join(
            f"{part}: {', '.join(f'{count} {result}' for result, count in row[part].items())}"  # type: ignore[attr-defined]
            for part in PARTS
            if part in row
        )
        yield f"{row['habit']:<26} {row['files']:>4} files   {counts}"


def _kept(path: Path | None) -> list[Outcome]:
    if path is None or not path.exists():
        return []
    return [Outcome(**json.loads(line)) for line in path.read_text().splitlines()]


def main() -> int:
    options = _options()
    chosen = [file for file in files() if options.only in file.name][:: QUICK if options.quick else options.every]
    done, outcomes = _kept(options.keep), []
    known = {(outcome.name, outcome.part) for outcome in done}
    for outcome in run_all(chosen, options.parts, options.target, options.emulate_every, done):
        outcomes.append(outcome)
        if options.keep is not None and (outcome.name, outcome.part) not in known:
            with options.keep.open("a") as kept:
                print(json.dumps(asdict(outcome)), file=kept)
        if not outcome.expected:
            print(outcome.part, outcome.result, outcome.name, outcome.reason, file=sys.stderr, flush=True)
    bad = [outcome for outcome in outcomes if outcome.result in ("wrong", "crashed")]
    refused = [outcome for outcome in outcomes if outcome.result == "refused" and not outcome.expected]
    rows = table(outcomes)
    if options.json:
        print(json.dumps({"files": len(chosen), "habits": rows, "outcomes": [asdict(o) for o in outcomes]}, indent=1))
    else:
        print("\n".join(_printed(rows)))
        print(f"{len(chosen)} files: {len(bad)} wrong or crashed, {len(refused)} refused that should be taken")
    return int(bool(bad))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--every", type=int, default=1, help="every so manieth file")
    parser.add_argument("--quick", action="store_true", help=f"every {QUICK}rd file")
    parser.add_argument("--only", default="", help="files whose names contain this")
    parser.add_argument("--target", default="rpi4")
    parser.add_argument("--emulate-every", type=int, default=40)
    parser.add_argument("--keep", type=Path, help="append outcomes to this file, and skip those that are in it")
    parser.add_argument("--json", action="store_true", help="print every outcome")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

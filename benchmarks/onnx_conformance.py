"""ONNX's own tests of operators, through both readers.

    python benchmarks/onnx_conformance.py --json
    python benchmarks/onnx_conformance.py --every 8 --parts torch lowering

Each test is a model of one node with inputs and outputs. What networks have as constants (weights, shapes, axes) is
made so; the rest stays an input. A test ends ``right``, ``wrong``, ``refused`` (a typed error of exit code 2), or
``crashed`` (anything else).

torch     the network read into torch
lowering  built for this host, kernels and all
emulated  every --emulate-every th of those that are right, in a bundle for --target, under the emulator

The exit code is 1 if any test is wrong or crashed.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, RdpassError
from rdpass.deploy.bundle.building import compile
from rdpass.deploy.bundle.execution import execute
from rdpass.deploy.lowering import build, import_onnx, run_here
from rdpass.onnx.reading.network import read_into_torch
from rdpass.onnx.source import read_onnx
from rdpass.targets.lookup import find_target, host_target
from rdpass.targets.toolchain import find_launcher

PARTS = ("torch", "lowering", "emulated")
TOLERANCE = {"rtol": 1e-3, "atol": 1e-5}
HALF_TOLERANCE = {"rtol": 1e-2, "atol": 1e-3}

# Operators of image and audio networks: those that compute their first input alone, the others being constants; those
# that compute all of them; those that have constants only.
FIRST = (
    "Abs", "Acos", "Acosh", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh", "AveragePool",
    "BatchNormalization", "Ceil", "Celu", "Clip", "Conv", "ConvTranspose", "Cos", "Cosh", "CumSum",
    "DepthToSpace", "Dropout", "Elu", "Erf", "Exp", "Expand", "Flatten", "Floor", "GRU", "Gather",
    "GatherElements", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "GroupNormalization", "HardSigmoid",
    "HardSwish", "Hardmax", "Identity", "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LSTM",
    "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "LpPool", "MaxPool",
    "MeanVarianceNormalization", "Mish", "Neg", "Not", "OneHot", "PRelu", "Pad", "Pow", "RMSNormalization",
    "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Resize", "Round", "Selu",
    "Shape", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Slice", "Softmax", "Softplus", "Softsign",
    "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Tile", "TopK",
    "Transpose", "Trilu", "Unsqueeze", "Upsample",
)  # fmt: skip
EVERY = (
    "Add", "And", "Concat", "Div", "Equal", "Greater", "GreaterOrEqual", "GridSample", "Less", "LessOrEqual",
    "MatMul", "Max", "Mean", "Min", "Mod", "Mul", "Or", "Sub", "Sum", "Where", "Xor",
)  # fmt: skip
NONE = ("ConstantOfShape",)


@dataclass(frozen=True)
class Case:
    """A test: its model, with constants made so, and what it takes and gives."""

    name: str
    operator: str
    model: onnx.ModelProto
    inputs: tuple[Array, ...]
    expected: tuple[Array, ...]


@dataclass(frozen=True)
class Outcome:
    name: str
    operator: str
    part: str
    result: str
    reason: str = ""


def cases() -> Iterator[Case]:
    """The tests of single nodes of the operators listed, in order of their names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    for test in sorted(found, key=lambda test: test.name):
        nodes = [] if test.model is None else list(test.model.graph.node)
        if len(nodes) == 1 and nodes[0].op_type in (*FIRST, *EVERY, *NONE) and nodes[0].domain == "":
            case = _case(test)
            if case is not None:
                yield case


def _case(test: Any) -> Case | None:
    """None for what is of no tensors that networks compute with."""
    given, expected = next(iter(test.data_sets))
    if test.model is None or not all(isinstance(array, np.ndarray | np.generic) for array in (*given, *expected)):
        return None
    arrays = [np.asarray(array) for array in given]
    if any(array.dtype.name == "bfloat16" or array.dtype.kind in "OSUV" or array.size == 0 for array in arrays):
        return None
    model = onnx.ModelProto.FromString(test.model.SerializeToString())
    operator = model.graph.node[0].op_type
    stays = {0} if operator in FIRST else set(range(len(arrays)))
    stays = set() if operator in NONE else stays
    names = [value.name for value in model.graph.input]
    kept = []
    for index, (name, array) in enumerate(zip(names, arrays, strict=True)):
        place = list(model.graph.node[0].input).index(name) if name in model.graph.node[0].input else index
        if place in stays:
            kept.append(index)
        else:
            model.graph.initializer.append(numpy_helper.from_array(array, name))
    values = [model.graph.input[index] for index in kept]
    del model.graph.input[:]
    model.graph.input.extend(values)
    model.graph.node[0].name = test.name
    return Case(test.name, operator, model, tuple(arrays[index] for index in kept), tuple(map(np.asarray, expected)))


def through_torch(case: Case) -> Sequence[Array]:
    """What the network computes that is read into torch."""
    module = read_into_torch(read_onnx(case.model).model, case.name)
    with torch.no_grad():
        found = module(*(torch.from_numpy(np.array(array)) for array in case.inputs))
    return [each.numpy() for each in (found if isinstance(found, tuple) else (found,))]


def through_lowering(case: Case) -> Sequence[Array]:
    """What the library built for this host computes."""
    return run_here(build(import_onnx(read_onnx(case.model)), host_target()), case.inputs)


def emulated(target: str) -> Callable[[Case], Sequence[Array]]:
    """What a bundle for ``target`` computes."""

    launcher = find_launcher(find_target(target))

    def run(case: Case) -> Sequence[Array]:
        with tempfile.TemporaryDirectory() as folder:
            bundle = compile(case.model, target, Path(folder) / "case.rdp", show_progress=False)
            return execute(bundle.folder, bundle.manifest, launcher, case.inputs)

    return run


def isolated(case: Case, part: str, run: Callable[[Case], Sequence[Array]]) -> Outcome:
    """``outcome`` in a process of its own, which a fault in foreign code takes down alone."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(outcome(case, part, run), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        sent = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not sent:
        return Outcome(case.name, case.operator, part, "crashed", f"the process ended with {status}")
    found: Outcome = pickle.loads(sent)
    return found


def outcome(case: Case, part: str, run: Callable[[Case], Sequence[Array]]) -> Outcome:
    """How ``case`` ends there."""
    try:
        found = run(case)
    except ConfigError as error:
        return Outcome(case.name, case.operator, part, "refused", _short(error))
    except RdpassError as error:
        return Outcome(case.name, case.operator, part, "wrong", _short(error))
    except Exception as error:
        return Outcome(case.name, case.operator, part, "crashed", f"{type(error).__name__}: {_short(error)}")
    reason = _difference(found, case.expected)
    return Outcome(case.name, case.operator, part, "wrong" if reason else "right", reason)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _difference(found: Sequence[Array], expected: Sequence[Array]) -> str:
    if len(found) != len(expected):
        return f"{len(found)} outputs for {len(expected)}"
    for index, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        if got.shape != wanted.shape or got.dtype != wanted.dtype:
            return f"output {index} is {got.dtype} {got.shape} for {wanted.dtype} {wanted.shape}"
        tolerance = HALF_TOLERANCE if wanted.dtype == np.float16 else TOLERANCE
        if not np.allclose(got, wanted, **tolerance, equal_nan=wanted.dtype.kind == "f"):
            largest = np.nanmax(np.abs(got.astype(np.float64) - wanted.astype(np.float64)), initial=0)
            return f"output {index} differs by {largest:.3g}"
    return ""


def run_parts(chosen: Sequence[Case], parts: Sequence[str], target: str, emulate_every: int) -> Iterator[Outcome]:
    """Every case in every part; in ``emulated`` those that were right for this host."""
    right: list[Case] = []
    for case in chosen:
        if "torch" in parts:
            yield outcome(case, "torch", through_torch)
        if "lowering" in parts or "emulated" in parts:
            lowered = isolated(case, "lowering", through_lowering)
            right += [case] if lowered.result == "right" else []
            yield lowered
    if "emulated" in parts:
        for case in right[::emulate_every]:
            yield isolated(case, "emulated", emulated(target))


def counts(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """How many ended how, by part."""
    parts = dict.fromkeys(each.part for each in outcomes)
    return {part: dict(Counter(each.result for each in outcomes if each.part == part)) for part in parts}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--every", type=int, default=1, help="every so manieth test")
    parser.add_argument("--only", default="", help="tests whose names contain this")
    parser.add_argument("--target", default="rpi4")
    parser.add_argument("--emulate-every", type=int, default=25)
    parser.add_argument("--json", action="store_true", help="print every outcome")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    chosen = [case for case in list(cases())[:: options.every] if options.only in case.name]
    outcomes = []
    for each in run_parts(chosen, options.parts, options.target, options.emulate_every):
        outcomes.append(each)
        if each.result in ("wrong", "crashed") and not options.json:
            print(each.part, each.result, each.name, each.reason, flush=True)
    found = counts(outcomes)
    if options.json:
        print(json.dumps({"tests": len(chosen), "counts": found, "outcomes": [asdict(o) for o in outcomes]}, indent=1))
    else:
        print(len(chosen), "tests:", json.dumps(found))
    return int(any(each.result in ("wrong", "crashed") for each in outcomes))


if __name__ == "__main__":
    sys.exit(main())

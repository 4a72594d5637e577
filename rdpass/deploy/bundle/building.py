"""``compile``: from an ONNX file to a bundle, the folder that runs on a board.

    model.so   the network, its weights inside      golden/        an input, and the output expected for it
    run        the runner                           manifest.json  what it all is, and the digest of every file
    lib/       TVM's runtime libraries              README.txt     what to do with it on a board
                                                    SHA256SUMS     for `sha256sum -c` there

1. What can be refused at once is refused: the target, the place, missing tools, the model.
2. The network is built for this machine and compared with ONNX Runtime (gate ``tvm-host``).
3. It is built for the target and put together in a temporary folder.
   With ``runtime="none"`` there is no runtime: librdpass_model.a, rdpass_model.h (or by another prefix) and example.c
   take the place of model.so, lib/ and these (see ``rdpass.deploy.aot``); with ``shared`` the latter are there too.
4. The runner in that folder, emulated if need be, is compared with the golden output (gate ``bundle``).
5. The folder is sealed and renamed to its place.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import tvm

from rdpass import __version__
from rdpass.core.comparison import (
    DOUBLE,
    Array,
    Exact,
    NumericGate,
    check_close,
    oracle_of,
    own_tolerances,
    relative_error,
    tolerance_by,
    tolerance_or_users,
    users_tolerance,
)
from rdpass.core.errors import ConfigError, ParityError, TargetError
from rdpass.core.files import new_folder
from rdpass.core.input_size import InputSizes, as_sizes
from rdpass.core.numeric_types import BYTES, FLOAT32, HALF, INT8, SINGLE, UINT8, Precision
from rdpass.core.optimization import SPEED, Optimize, check_optimize
from rdpass.core.places import check_free
from rdpass.core.processing import Processing
from rdpass.core.progress import Progress, progress
from rdpass.database.best import Tuned, read_best
from rdpass.database.choice import choose_tiles
from rdpass.deploy.aot.names import PREFIX, check_prefix, library_of
from rdpass.deploy.aot.network import Network, build_aot
from rdpass.deploy.bundle.assembly import LIBRARY, assemble, golden_files
from rdpass.deploy.bundle.execution import execute
from rdpass.deploy.bundle.manifest import Manifest, Runtime, seal, written_files
from rdpass.deploy.bundle.runtime_libraries import find_libraries, tvm_versions
from rdpass.deploy.bundle.signature import read_private_key
from rdpass.deploy.bundle.stb_image import STB, find_stb
from rdpass.deploy.lowering import (
    Lowered,
    build,
    convolutions_of_volumes,
    import_onnx,
    in_float16,
    run_here,
    tvm_target,
    workloads_of,
)
from rdpass.deploy.precision import (
    RUNTIME_TOLERANCES,
    TOLERANCES,
    check_precision,
    precision_of,
    target_for,
    this_machine,
)
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.onnx.double_oracle import exact_of
from rdpass.onnx.golden import RUNTIME, Golden, find_golden
from rdpass.onnx.model_files import model_files
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.processing import processed
from rdpass.onnx.source import OnnxSource, read_onnx
from rdpass.passes.lowering.match.find_workloads import Occurrence
from rdpass.passes.lowering.read.constants import constant_bytes
from rdpass.targets.lookup import HOST, Target, find_target
from rdpass.targets.toolchain import Compiler, find_compiler, find_launcher

log = logging.getLogger(__name__)

_DOUBTFUL = 0.1
"""From this part of its tolerance on, the gate of this machine asks a run in float64. The target may be off a few times
as far, and its golden outputs are to be settled before it is built."""


@dataclass(frozen=True)
class Bundle:
    """A built folder and what its manifest says: what ``compile`` returns.

    Args:
        folder: where it is.
        manifest: what ``manifest.json`` in it says.

    Example:
        >>> import rdpass
        >>> folder = Path("student.rdp")  # that was built before
        >>> bundle = rdpass.Bundle(folder, rdpass.load(folder).manifest)
        >>> bundle.folder.name, [gate.name for gate in bundle.manifest.gates][-2:]
        ('student.rdp', ['tvm-host', 'bundle'])
    """

    folder: Path
    manifest: Manifest


@dataclass(frozen=True)
class _Order:
    """An order to build: which network, as it computes on the target and as this machine checks it (``native``: in
    float32 where the target computes in float16), for what, of which kind, with kernels chosen for what and which tiles
    (and what the manifest says of them), and held against what. ``settled``: this machine's gate, where the golden
    outputs are those in float64 that settled it."""

    source: OnnxSource
    module: tvm.IRModule
    native: tvm.IRModule
    precision: Precision
    target: Target
    runtime: Runtime
    prefix: str
    optimize: Optimize
    tiles: Mapping[Workload, Tile]
    tuning: dict[str, Any]
    golden: Golden
    exact: Exact
    settled: NumericGate | None = None

    @property
    def tolerance(self) -> float:
        widened = self.settled.tolerance if self.settled else 0.0
        return tolerance_or_users(max(TOLERANCES[self.precision], widened))


def compile(
    onnx: str | Path | onnx.ModelProto,
    target: str | Target = HOST,
    out: str | Path | None = None,
    *,
    example: InputSizes = None,
    runtime: Runtime = "vm",
    precision: Precision | None = None,
    optimize: Optimize = SPEED,
    prefix: str = PREFIX,
    shared: bool = False,
    processing: Processing | None = None,
    golden: str | Path | None = None,
    tolerance: float | None = None,
    database: str | Path | None = None,
    sign: str | Path | None = None,
    force: bool = False,
    cache: bool = True,
    show_progress: bool = True,
) -> Bundle:
    """Build ``onnx`` for ``target`` into the folder ``out``.

    Args:
        onnx: a file or a model.
        target: a name that ``rdpass targets`` lists, or a target of one's own.
        out: the bundle's folder; by default the file's name with ``.rdp``, in the current folder.
        example: the inputs' sizes, where the file leaves more than the batch open or others are wanted: arrays (their
            numbers don't matter), or a text as ``--input`` takes it: "1x3x224x224", "left=1x8,right=1x8".
        runtime: "vm" for TVM's virtual machine, "none" for a C library and a static program (no TVM on the board).
        precision: "float32", "fp16" for half precision where the target has it, "int8" for a quantised network; by
            default what the file is: int8 for one that quantises, else float32.
        optimize: what kernels are chosen for. "speed": the shortest inference; Winograd's weights may be several times
            the model's. "size": the fewest bytes of weights. "balanced": more bytes only where each saves a cycle.
        prefix: without a runtime, what the C library's names begin with (in capitals, its macros'), its files' too.
        shared: without a runtime, write a shared library too, which Python loads (``rdpass_runtime``); it has the
            weights once more. With "vm" there is always one.
        processing: what is compiled around the network: an image in bytes taken as its input, probabilities or a class
            given as its output, the names of classes and tensors.
        golden: an ``.npz`` of golden numbers; by default the one beside the file, else random ones (see ``golden``).
        tolerance: the largest relative error that every gate allows, in the place of its own; the manifest says that it
            is the user's. By default 1e-4 in float32, or what rounding in float32 costs this very network.
        database: a folder that ``tune`` wrote: every workload has the best tile that was found for this target, if the
            whole network was not slower with these.
        sign: an Ed25519 private key (PEM), to sign the manifest with; see ``verify``'s ``key``.
        force: replace an older bundle at ``out``, if nothing else lies in it.
        cache: take the runner's parts that are the same in every bundle from the cache folder, and keep them there; the
            bundle is the same without.
        show_progress: show on stderr which of the steps is under way.

    Returns:
        The folder and its manifest.

    Raises:
        ConfigError: the model can't be built, or the place can't be written.
        TargetError: an unknown target, or a tool for it is missing or failed.
        ParityError: what was built computes something else than the model.
        DeviceError: the bundle's runner failed.

    Example:
        >>> import rdpass
        >>> bundle = rdpass.compile("student.onnx", target="host", out="host.rdp", show_progress=False)
        >>> bundle.manifest.target["name"], (bundle.folder / "run").exists()
        ('host', True)
    """
    if runtime not in get_args(Runtime):
        raise ConfigError(f"there is no runtime {runtime!r}; it is one of {', '.join(get_args(Runtime))}")
    check_precision(precision)
    check_optimize(optimize)
    check_prefix(prefix)
    if runtime == "vm" and prefix != PREFIX:
        raise ConfigError("a prefix is for the names of a C library: it goes with the runtime none")
    if runtime == "vm" and shared:
        raise ConfigError("with TVM's runtime there is a shared library as it is: shared goes with the runtime none")
    place = _place(onnx, out)
    chosen = find_target(target) if isinstance(target, str) else target
    if shared and chosen.is_android:
        raise ConfigError("no shared library is made for Android; link librdpass_model.a into one of yours")
    check_free(place, force, written_files, _input_files(onnx, target, golden, database, sign))
    key = None if sign is None else read_private_key(Path(sign))
    libraries = find_libraries(chosen) if runtime == "vm" else ()  # first: where there are none, no compiler will do
    compiler = find_compiler(chosen)
    tvm_target(chosen)
    with users_tolerance(tolerance):
        source = read_onnx(Path(onnx) if isinstance(onnx, str) else onnx, as_sizes(example))
        chosen = target_for(source, target)
        computed = precision_of(source, precision, chosen)
        reference = find_golden(source, Path(golden) if golden else None)
        if processing is not None:
            source, reference = processed(source, processing, reference)
        tuned = None if database is None else read_best(Path(database), chosen, optimize)
        with progress("compile", 4, show_progress) as shown:
            module = import_onnx(source)
            native = module
            if computed == HALF:
                module = in_float16(module, chosen)
            tiles, tuning = ({}, {}) if tuned is None else _tuned(tuned, workloads_of(module, chosen, optimize))
            exact = exact_of(source.reference, reference.inputs)
            order = _Order(
                source, module, native, computed, chosen, runtime, prefix, optimize, tiles, tuning, reference, exact
            )
            code, gates = _build_checked(order, shown)
            order = _with_double_golden(order, gates)
            with new_folder(place, force, written_files) as folder:
                shown.step(2, f"linking with {compiler.version}")
                manifest = _manifest(order, code, compiler)
                assemble(folder, manifest, code, order.golden, compiler, libraries, cache, shared)
                manifest = seal(folder, replace(manifest, gates=(*source.gates, *gates)))
                shown.step(3, "running what was built")
                manifest = seal(folder, _run_once(folder, manifest, order), key)
            shown.step(4, "done")
    return Bundle(place, manifest)


def _place(model: str | Path | onnx.ModelProto, out: str | Path | None) -> Path:
    if out is not None:
        return Path(out)
    if isinstance(model, onnx.ModelProto):
        raise ConfigError("a model that is not a file has no name to call its bundle by; give out=")
    return Path(f"{Path(model).stem}.rdp")


def _input_files(model: str | Path | onnx.ModelProto, *others: object) -> list[Path]:
    files = [Path(each) for each in others if isinstance(each, str | Path)]
    return files if isinstance(model, onnx.ModelProto) else [*model_files(Path(model)), *files]


def _build_checked(order: _Order, shown: Progress) -> tuple[Lowered | Network, tuple[NumericGate, ...]]:
    """The code for ``target``, once the same passes for this machine have given ONNX Runtime's numbers."""
    shown.step(0, "building for this machine, to compare")
    here = this_machine(order.source)
    native = build(order.native, here, order.tiles if order.target == here else {}, order.optimize)
    inputs = order.golden.inputs
    gates = _gates(order, run_here(native, inputs))
    shown.step(1, f"building for {order.target.name}")
    code: Lowered | Network
    if order.runtime == "none":
        code = build_aot(order.source, order.module, order.target, order.tiles, order.prefix, order.optimize)
    else:
        same = order.target == here and order.native is order.module
        code = native if same else build(order.module, order.target, order.tiles, order.optimize)
    for fallback in code.fallbacks:
        log.debug(
            "%s: TVM's own function, %d calls, %d operations, %d bytes, share of time %.4f", *asdict(fallback).values()
        )
    return code, gates


def _gates(order: _Order, outputs: Sequence[Array]) -> tuple[NumericGate, ...]:
    """What was built for this machine beside ONNX Runtime and, of a quantised network, beside its integers."""
    reference = run_onnx(order.source.reference, order.golden.inputs)
    if not order.source.is_quantised:
        return (_gate_of_floats(order, outputs, reference),)
    with own_tolerances():  # other runtimes round as they do, whatever the user allows of ours
        beside = check_close("onnxruntime", outputs, reference, RUNTIME_TOLERANCES[BYTES])
    judge = oracle_of(order.golden.source)
    return beside, check_close("tvm-host", outputs, order.golden.outputs, TOLERANCES[BYTES], oracle=judge)


def _gate_of_floats(order: _Order, outputs: Sequence[Array], reference: Sequence[Array]) -> NumericGate:
    """Against ONNX Runtime; where its functions are too coarse to say what rounding costs the network (its sigmoid is
    good to 1e-7 of one), against the golden outputs of another float32 run."""

    def gate(expected: Sequence[Array]) -> NumericGate:
        return check_close("tvm-host", outputs, expected, TOLERANCES[SINGLE], order.exact, nearly=_DOUBTFUL)

    try:
        return gate(reference)
    except ParityError:
        if order.golden.source == RUNTIME or order.exact() is None:
            raise
        try:
            return gate(order.golden.outputs)
        except ParityError:
            pass
        raise


def _with_double_golden(order: _Order, gates: Sequence[NumericGate]) -> _Order:
    """The order with golden outputs of the run in float64 where that settled this machine's gate: a float32 run is no
    better an oracle for the target. Golden numbers that are of something else stay, and their gate will say so."""
    settled = gates[-1]
    doubles = order.exact() if settled.oracle == DOUBLE else None
    if doubles is None or not (order.golden.source == RUNTIME or _are_close(order.golden.outputs, doubles, settled)):
        return order
    typed = tuple(np.asarray(y, spec.dtype) for y, spec in zip(doubles, order.source.outputs, strict=True))
    return replace(order, golden=Golden(order.golden.inputs, typed, DOUBLE), settled=settled)


def _are_close(known: Sequence[Array], doubles: Sequence[Array], gate: NumericGate) -> bool:
    return all(relative_error(k, double) <= gate.tolerance for k, double in zip(known, doubles, strict=True))


def _tuned(tuned: Tuned, network: Sequence[Occurrence]) -> tuple[Mapping[Workload, Tile], dict[str, Any]]:
    """The tiles that ``network`` is built with, and what the manifest says of them."""
    choice = choose_tiles(tuned, network)
    known = [tuned.best[found.workload] for found in network if found.workload in tuned.best]
    return choice.tiles, {
        "workloads": len(network),
        "tuned": len(known),
        "estimated": sum(best.is_estimate for best in known),
        "network": asdict(choice.verdict),
        "database": tuned.digest,
    }


def _manifest(order: _Order, code: Lowered | Network, compiler: Compiler) -> Manifest:
    source = order.source
    return Manifest(
        source=source.digest,
        target={**asdict(order.target), "features": list(order.target.features)},
        inputs=source.inputs,
        outputs=source.outputs,
        library=library_of(code.prefix) if isinstance(code, Network) else LIBRARY,
        gates=(),
        golden={
            "source": order.golden.source,
            "tolerance": order.tolerance,
            "tolerance_by": tolerance_by(),
            **golden_files(order.golden),
        },
        planned_activation_bytes=code.memory.activations,
        planned_workspace_bytes=code.memory.workspace,
        fallbacks=tuple(asdict(fallback) for fallback in code.fallbacks),
        versions={
            "rdpass": __version__,
            **tvm_versions(),
            **{name: version(name) for name in ("onnx", "onnxruntime")},
            "compiler": compiler.version,
            **_reader_of_images(order.source, compiler),
        },
        notes=_notes(order, code, compiler),
        runtime=order.runtime,
        tuning=order.tuning,
        kernels=tuple(asdict(kernel) for kernel in code.kernels),
        precision=order.precision,
        optimize=order.optimize,
        constants={"model": constant_bytes(order.module), **asdict(code.constants)},
        processing=source.processing,
        plan=code.plan,
    )


def _reader_of_images(source: OnnxSource, compiler: Compiler) -> dict[str, str]:
    """The version of what the program reads JPEG and PNG with; empty where it reads no image, or that is not here."""
    processing = source.processing
    if not compiler.links or processing is None or not processing.takes_image_of(source.inputs):
        return {}
    try:
        return {STB: find_stb().version}
    except TargetError as error:
        log.warning("the bundle's program reads PPM alone: %s", error)
        return {}


def _notes(order: _Order, code: Lowered | Network, compiler: Compiler) -> tuple[str, ...]:
    notes = [] if compiler.links else ["no program ./run: linking one takes the Android NDK (RDPASS_NDK)"]
    if tolerance_by() == "user":
        notes.append(f"every gate was held to the user's own tolerance, {order.tolerance:g}")
    floats = [kernel for kernel in code.kernels if _is_of_floats(kernel.name)]
    if order.source.is_quantised and floats:
        share, calls = sum(kernel.share for kernel in floats), sum(kernel.calls for kernel in floats)
        notes.append(
            f"of this quantised network {share:.1%} of all work is computed in {FLOAT32}, by {calls} calls of kernels:"
            " no kernel of bytes takes these layers"
        )
    if volumes := convolutions_of_volumes(order.module):
        subject = f"{volumes} convolutions have" if volumes > 1 else "a convolution has"
        notes.append(f"{subject} three dimensions of space, which no kernel takes: TVM lowers them, in {FLOAT32}")
    return tuple(notes)


def _is_of_floats(kernel: str) -> bool:
    """Tell whether a kernel, by its name, computes in float32: not one that only makes bytes of an image."""
    single = f"{FLOAT32.abbreviation}_"
    to_bytes = tuple(f"{single}{byte.abbreviation}_" for byte in (INT8, UINT8))
    return kernel.startswith(single) and not kernel.startswith(to_bytes)


def _run_once(folder: Path, manifest: Manifest, order: _Order) -> Manifest:
    """The manifest with the gate of the finished folder, or with a note that nothing here could run it."""
    target, golden = order.target, order.golden
    try:
        launcher = find_launcher(target)
    except TargetError as error:
        log.warning("the bundle is built but was not run: %s", error)
        note = f"not run when it was built: no emulator for {target.architecture}"
        return replace(manifest, notes=(*manifest.notes, note))
    outputs = execute(folder, manifest, launcher, golden.inputs, allow_nonfinite=True)
    gate = check_close("bundle", outputs, golden.outputs, order.tolerance, oracle=oracle_of(golden.source))
    if order.settled:
        gate = replace(gate, oracle_error=order.settled.oracle_error)
    return replace(manifest, gates=(*manifest.gates, gate))

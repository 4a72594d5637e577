"""``rdpass compile``: an ONNX file as a bundle for a CPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rdpass.cli.image_options import ImageOptions, with_measured_images
from rdpass.cli.inspect import TOLERANCE_HELP
from rdpass.cli.named_model import images_of_run
from rdpass.cli.processing_options import INPUT_NAME, OUTPUT_NAME, POSTPROCESS, PREPROCESS, processing_by
from rdpass.cli.student_file import student_file
from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import BYTES, HALF, SINGLE, Precision
from rdpass.core.optimization import BALANCED, SIZE, SPEED

if TYPE_CHECKING:
    from rdpass.deploy.bundle.building import Bundle

FILE_INPUT_HELP = (
    "Size of FILE's input where it leaves it open, or another: 1x3x224x224; by name, several: a=1x8,b=1x4:int64."
)
PRECISION_HELP = "fp16: half precision, where the CPU has it; default: the file's own."
OPTIMIZE_HELP = "Choose kernels for speed, for small weights (size), or for both: bytes where they save time enough."
_DATA_HELP = (
    "Images to calibrate a run folder in int8 with, as quantize takes them; default: those it was trained on here."
)
_SHARED = "With --runtime none: a shared library too, which Python loads; it has the weights once more."
_NO_CACHE = "Compile all of the runner, without what is kept of it in the cache folder (RDPASS_CACHE)."
_WORTH_SAYING = 0.01
"""Functions of TVM's with less of the work than this are named in the manifest alone."""


class RuntimeChoice(StrEnum):
    """The runtime on the board: TVM's virtual machine, or none."""

    vm = "vm"
    none = "none"


class PrecisionChoice(StrEnum):
    """The numbers that a network computes in."""

    single = SINGLE
    half = HALF
    bytes = BYTES


class OptimizeChoice(StrEnum):
    """What kernels are chosen for."""

    speed = SPEED
    balanced = BALANCED
    size = SIZE


def as_precision(choice: PrecisionChoice | None) -> Precision | None:
    """The word of the API."""
    return cast(Precision, choice.value) if choice else None


@with_measured_images
def compile_command(
    source: Annotated[
        Path, typer.Argument(help="The .onnx file, or the folder that convert wrote.", metavar="FILE.onnx|run/")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    *,
    target: Annotated[str, typer.Option(help="A name that `rdpass targets` lists, or a .toml file.")] = "host",
    input_size: Annotated[str | None, typer.Option("--input", help=FILE_INPUT_HELP)] = None,
    runtime: Annotated[RuntimeChoice, typer.Option(help="none: a C library that needs no runtime.")] = RuntimeChoice.vm,
    precision: Annotated[PrecisionChoice | None, typer.Option(help=PRECISION_HELP)] = None,
    optimize: Annotated[OptimizeChoice, typer.Option(help=OPTIMIZE_HELP)] = OptimizeChoice.speed,
    data: Annotated[str | None, typer.Option(help=_DATA_HELP)] = None,
    preprocess: PREPROCESS = None,
    postprocess: POSTPROCESS = None,
    input_name: INPUT_NAME = None,
    output_name: OUTPUT_NAME = None,
    prefix: Annotated[
        str | None, typer.Option(help="Prefix of the C library's names.", show_default="rdpass_model")
    ] = None,
    shared: Annotated[bool, typer.Option("--shared", help=_SHARED)] = False,
    golden: Annotated[Path | None, typer.Option(help="Golden numbers (.npz); default: those beside FILE.")] = None,
    tolerance: Annotated[float | None, typer.Option(help=TOLERANCE_HELP)] = None,
    database: Annotated[Path | None, typer.Option("--db", help="A folder that `rdpass tune` wrote.")] = None,
    sign: Annotated[Path | None, typer.Option(help="An Ed25519 private key (PEM) to sign the manifest with.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing folder.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help=_NO_CACHE)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
    image_options: ImageOptions,
) -> None:
    """Build FILE.onnx, or a run folder's student, for a CPU and compare what was built with the golden output before it
    is kept.

    Example: rdpass compile run/ --target rpi5 --precision int8 -o student.rdp
    """
    from rdpass.core.comparison import users_tolerance
    from rdpass.deploy.aot.names import PREFIX

    wanted = as_precision(precision)
    if source.is_dir():
        _check_run(source, target, out, runtime, wanted, force, input_size, golden)
    elif data is not None or [option for option in image_options.given if option != "--labels"]:
        raise ConfigError("--data is for a run folder in int8; make an int8 file of another one with rdpass quantize")
    images = images_of_run(source) if source.is_dir() else None
    processing = processing_by(preprocess, postprocess, image_options.labels, (input_name, output_name), images)
    given = student_file(source, wanted, data, image_options) if source.is_dir() else nullcontext(source)
    with users_tolerance(tolerance), given as model:
        with _without_torch():
            from rdpass.deploy.bundle.building import compile

        bundle = compile(
            model,
            target,
            out,
            example=input_size,
            runtime=runtime.value,
            precision=wanted,
            optimize=optimize.value,
            prefix=prefix or PREFIX,
            shared=shared,
            processing=processing,
            golden=golden,
            database=database,
            sign=sign,
            force=force,
            cache=not no_cache,
        )
    if as_json:
        print((bundle.folder / "manifest.json").read_text(), end="")
    else:
        print_bundle(bundle)


def _check_run(
    run: Path, target: str, out: Path, runtime: RuntimeChoice, precision: Precision | None, force: bool,
    input_size: str | None, golden: Path | None,
) -> None:  # fmt: skip
    """Refuse what can be refused before a student is exported and quantised."""
    from rdpass.core.places import check_free
    from rdpass.deploy.bundle.manifest import written_files
    from rdpass.deploy.bundle.runtime_libraries import find_libraries
    from rdpass.deploy.precision import check_computes
    from rdpass.runs.folder import written_files as files_of_run
    from rdpass.targets.lookup import find_target
    from rdpass.targets.toolchain import find_compiler

    if input_size is not None or golden is not None:
        raise ConfigError(f"{run} brings its student's input and golden numbers along; leave out --input and --golden")
    check_free(out, force, written_files, [run / name for name in files_of_run(run) or ()])
    chosen = find_target(target)
    check_computes(chosen, precision)
    find_compiler(chosen)
    if runtime == RuntimeChoice.vm:
        find_libraries(chosen)


@contextmanager
def _without_torch() -> Iterator[None]:
    """Nothing here needs torch, but TVM imports it where it can, which takes a second: meanwhile it can't."""
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]  # Python's own way to say that a module is not there
    try:
        yield
    finally:
        del sys.modules["torch"]


def print_bundle(bundle: Bundle) -> None:
    """Print its place, every gate that was passed on the way to it, and its sizes."""
    from rdpass.cli.tables import print_gates, size

    manifest = bundle.manifest
    library = size((bundle.folder / manifest.library).stat().st_size)
    print(f"{bundle.folder}: {manifest.target['name']} ({manifest.target['cpu']}), {manifest.library} {library}")
    print(
        f"planned memory: activations {size(manifest.planned_activation_bytes)},"
        f" largest scratch of a function {size(manifest.planned_workspace_bytes)}"
    )
    for fallback in manifest.fallbacks:
        if fallback["share"] >= _WORTH_SAYING:
            share = f"about {fallback['share']:.1%} of the time"
            print(f"lowered by TVM, no kernel computes it: {fallback['function']}, {share}")
    if tuning := manifest.tuning:
        print("tuned: {tuned} of {workloads} distinct workloads, {estimated} of them by estimates".format(**tuning))
        print(f"whole network: {tuning['network']['reason']}")
    print_gates(manifest.gates)
    for note in manifest.notes:
        print(f"note: {note}")
    weights, own, added = (size(manifest.constants[kind]) for kind in ("packed", "model", "transformed"))
    print(
        f"--optimize {manifest.optimize}: {manifest.library} {library}, of it weights {weights}"
        f" ({own} in the model, {added} added to be faster)"
    )

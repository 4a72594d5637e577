"""``rdpass compile``: an ONNX file as a bundle for a CPU."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from rdpass.core.numeric_types import BYTES, HALF, SINGLE, Precision

if TYPE_CHECKING:
    from rdpass.deploy.bundle.building import Bundle

FILE_INPUT_HELP = (
    "Size of FILE's input where it leaves it open, or another: 1x3x224x224; by name, several: a=1x8,b=1x4:int64."
)
_NO_CACHE = "Compile all of the runner, without what is kept of it in the cache folder (RDPASS_CACHE)."
_WORTH_SAYING = 0.001
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


def compile_command(
    model: Annotated[Path, typer.Argument(help="The .onnx file.", metavar="FILE.onnx")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    target: Annotated[str, typer.Option(help="A name that `rdpass targets` lists, or a .toml file.")] = "host",
    input_size: Annotated[str | None, typer.Option("--input", help=FILE_INPUT_HELP)] = None,
    runtime: Annotated[RuntimeChoice, typer.Option(help="none: a C library that needs no runtime.")] = RuntimeChoice.vm,
    precision: Annotated[
        PrecisionChoice | None, typer.Option(help="fp16, where the CPU has it.", show_default="the file's own")
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(help="Prefix of the C library's names.", show_default="rdpass_model")
    ] = None,
    golden: Annotated[Path | None, typer.Option(help="Golden numbers (.npz); default: those beside FILE.")] = None,
    database: Annotated[Path | None, typer.Option("--db", help="A folder that `rdpass tune` wrote.")] = None,
    sign: Annotated[Path | None, typer.Option(help="An Ed25519 private key (PEM) to sign the manifest with.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing folder.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help=_NO_CACHE)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Build FILE.onnx for a CPU and compare what was built with the golden output before it is kept."""
    from rdpass.deploy.aot.names import PREFIX

    with _without_torch():
        from rdpass.deploy.bundle.building import compile

    bundle = compile(
        model,
        target,
        out,
        example=input_size,
        runtime=runtime.value,
        precision=cast(Precision, precision.value) if precision else None,
        prefix=prefix or PREFIX,
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
    """Print its place, its sizes, and every gate that was passed on the way to it."""
    from rdpass.cli.tables import print_table, size

    manifest = bundle.manifest
    library = (bundle.folder / manifest.library).stat().st_size
    print(f"{bundle.folder}: {manifest.target['name']} ({manifest.target['cpu']}), {manifest.library} {size(library)}")
    print(
        f"planned memory: activations {size(manifest.planned_activation_bytes)},"
        f" largest scratch of a function {size(manifest.planned_workspace_bytes)}"
    )
    for fallback in manifest.fallbacks:
        if fallback["share"] >= _WORTH_SAYING:
            print(f"lowered by TVM, no kernel computes it: {fallback['function']}, {fallback['share']:.1%} of all work")
    if tuning := manifest.tuning:
        print("tuned: {tuned} of {workloads} distinct workloads, {estimated} of them by estimates".format(**tuning))
        print(f"whole network: {tuning['network']['reason']}")
    print_table(
        ("gate", ">largest error", ">tolerance"),
        [(gate.name, f"{gate.error:.2e}", f"{gate.tolerance:.0e}") for gate in manifest.gates],
    )
    for note in manifest.notes:
        print(f"note: {note}")

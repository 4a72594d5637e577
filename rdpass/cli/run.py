"""``rdpass run``: a bundle's network on .npy files, or on an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdpass.cli.verify import KEY_HELP
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.printable import printable

if TYPE_CHECKING:
    from rdpass.core.comparison import Array
    from rdpass.deploy.bundle.manifest import Manifest


INPUT_HELP = "A .npy file for each input, in order; or an image, of a bundle that was compiled with --preprocess."
NONFINITE_HELP = "Take inputs with NaN or infinities, which the outputs may not show."


def run_command(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.", metavar="DIR")],
    inputs: Annotated[list[Path], typer.Argument(help=INPUT_HELP, metavar="INPUT...")],
    out: Annotated[
        list[Path] | None, typer.Option("--out", "-o", help="A .npy file for each output; default: print them.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    allow_nonfinite: Annotated[bool, typer.Option("--allow-nonfinite", help=NONFINITE_HELP)] = False,
    verify_key: Annotated[Path | None, typer.Option(help=KEY_HELP)] = None,
) -> None:
    """Run DIR's own runner on .npy files or an image, emulated if it is for another CPU.

    Example: rdpass run student.rdp cat.jpg
    """
    from rdpass.core.processing import likeliest
    from rdpass.deploy.bundle.execution import execute
    from rdpass.deploy.bundle.manifest import opened
    from rdpass.deploy.bundle.runner import check_inputs
    from rdpass.deploy.bundle.verification import target_of
    from rdpass.targets.toolchain import find_launcher

    places = out or []
    with opened(bundle, key=verify_key) as (copy, manifest):
        if places and len(places) != len(manifest.outputs):
            raise ConfigError(f"{len(places)} files to write, and the model has {len(manifest.outputs)} outputs")
        _check_places(places, bundle, inputs, force)
        given = [read_input(path, index, manifest) for index, path in enumerate(inputs)]
        check_inputs(given, manifest.inputs, allow_nonfinite=allow_nonfinite)
        launcher = find_launcher(target_of(manifest))
        outputs = execute(copy, manifest, launcher, given, allow_nonfinite=allow_nonfinite)
    for place, output in zip(places, outputs, strict=False):
        write_array(place, output, force)
    classes = None if places or manifest.processing is None else likeliest(outputs[0], manifest.processing)
    if classes:
        for label, score in classes:
            print(printable(label) if score is None else f"{score:.4f}  {printable(label)}")
    elif not places:
        for spec, output in zip(manifest.outputs, outputs, strict=True):
            print(f"{printable(spec.name)} {spec.dtype} {spec.shape}\n{output}")


def _check_places(places: Sequence[Path], bundle: Path, inputs: Sequence[Path], force: bool) -> None:
    from rdpass.core.places import check_free

    for index, place in enumerate(places):
        if bundle.resolve() in place.resolve().parents:
            raise ConfigError(f"{place} lies in the bundle, which is to stay as it was built; give another place")
        if place.resolve() in [other.resolve() for other in places[:index]]:
            raise ConfigError(f"{place} is given for two outputs")
        check_free(place, force, inputs=inputs)


def read_input(path: Path, index: int, manifest: Manifest) -> Array:
    """The array in an .npy file, whatever its name, or an image file as the bundle takes it.

    Raises:
        ConfigError: it can't be read, or the bundle takes no image there.
    """
    from rdpass.core.images import SUFFIXES, read_image

    processing = manifest.processing
    if path.suffix.lower() not in SUFFIXES:
        return read_array(path)
    if index or processing is None or processing.layout is None:
        raise ConfigError(
            f"{path} is an image; a bundle takes one where it was compiled with --preprocess uint8,nhwc,…, as its first"
            " input"
        )
    shape = manifest.inputs[0].shape
    if shape[0] != 1:
        raise ConfigError(f"{path} is one image, and the bundle takes {shape[0]} at once; stack them in an .npy file")
    height, width, channels = shape[1:] if processing.layout == "nhwc" else (*shape[2:], shape[1])
    return processing.arranged(read_image(path, channels, (height, width), processing.crop))


def read_array(path: Path) -> Array:
    """The array in an .npy file, of which the runner on a board would read the same.

    Raises:
        ConfigError: it can't be read as one, is in Fortran order, or holds more than one.
    """
    import numpy as np

    try:
        with path.open("rb") as file:
            only_read: Any = SimpleNamespace(read=file.read)  # else numpy seeks, which a pipe does not let it
            array: Array = np.lib.format.read_array(only_read, allow_pickle=False)
            whole = not file.read(1)
    except Exception as error:  # numpy parses headers with Python's own parser, which raises what it likes
        raise ConfigError(f"{path} can't be read as an .npy file ({first_line(error)})") from error
    if not whole:
        raise ConfigError(f"{path} holds more data than its header says")
    if not array.flags.c_contiguous:
        raise ConfigError(f"{path} is in Fortran order; save numpy.ascontiguousarray of it")
    return array


def write_array(path: Path, array: Array, force: bool) -> None:
    """Write an .npy file, whole or not at all."""
    import numpy as np

    from rdpass.core.files import new_file

    with new_file(path, force) as temporary, temporary.open("wb") as file:
        np.save(file, array)

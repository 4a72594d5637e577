"""``rdpass export``: a converted student, or any model, as checked ONNX."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from rdpass.cli.image_options import ImageOptions, load_parts, shape_of_input, with_measured_images
from rdpass.cli.inspect import INPUT_HELP, TOLERANCE_HELP, TRUST_HELP, WEIGHTS_HELP
from rdpass.cli.named_model import images_of_run, load_named_model
from rdpass.cli.processing_options import INPUT_NAME, OUTPUT_NAME, POSTPROCESS, PREPROCESS, processing_by


@with_measured_images
def export_command(
    source: Annotated[str, typer.Argument(help="The folder that convert wrote, or a MODEL as inspect takes it.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .onnx file to write.")],
    weights: Annotated[str | None, typer.Option(help=WEIGHTS_HELP + " For a MODEL.")] = None,
    input_shape: Annotated[str | None, typer.Option("--input", help=INPUT_HELP + " For a MODEL.")] = None,
    *,
    data: Annotated[
        str | None, typer.Option(help="Images or pkg.mod:fn, to take the example from. For a MODEL.")
    ] = None,
    preprocess: PREPROCESS = None,
    postprocess: POSTPROCESS = None,
    input_name: INPUT_NAME = None,
    output_name: OUTPUT_NAME = None,
    tolerance: Annotated[float | None, typer.Option(help=TOLERANCE_HELP)] = None,
    trust_pickle: Annotated[bool, typer.Option("--trust-pickle", help=TRUST_HELP)] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    image_options: ImageOptions,
) -> None:
    """Write simplified ONNX with batch norm folded, checked against torch, and golden numbers beside it.

    Example: rdpass export run/ -o student.onnx
    """
    from rdpass.capture.trace import as_inputs
    from rdpass.core.comparison import users_tolerance
    from rdpass.core.errors import ConfigError
    from rdpass.core.places import check_free, check_kept
    from rdpass.onnx.export import export_onnx
    from rdpass.onnx.golden import golden_path
    from rdpass.onnx.processing import save_processed
    from rdpass.runs.folder import load_run, written_files
    from rdpass.sources.models import choose_example, files_of, files_of_weights

    if Path(source).is_dir() and weights is not None:
        raise ConfigError(f"{source} brings its student's weights along; leave out --weights {weights}")
    names = (input_name, output_name)
    processing = processing_by(preprocess, postprocess, image_options.labels, names, images_of_run(source))
    for place in (out, golden_path(out)):
        check_kept(place, [*files_of(source), *files_of_weights(weights)])
        check_free(place, force)
    with TemporaryDirectory(prefix="rdpass-") as folder:
        # Without its processing the network never lies in the place of the one that has it.
        written = out if processing is None else Path(folder, out.name)
        if Path(source).is_dir():
            check_kept(out, [Path(source, name) for name in written_files(Path(source)) or ()])
            load_run(source).export_onnx(written, tolerance=tolerance, force=force)
        else:
            with users_tolerance(tolerance):
                loaded, stored = load_named_model(source, weights, trust_pickle, input_shape)
            shape = shape_of_input(input_shape, stored)
            parts = load_parts(data, image_options, shape=shape, varied=False) if data else None
            found = choose_example(loaded, input_shape, parts, stored=stored)
            export_onnx(loaded, as_inputs(loaded, found), written, tolerance=tolerance, force=force)
        if processing is not None:
            save_processed(written, processing, out, force)
    print(out)

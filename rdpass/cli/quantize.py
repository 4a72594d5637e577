"""``rdpass quantize``: a float network as int8 QDQ ONNX, with what that costs."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdpass.cli.image_options import (
    DATA_HELP,
    ImageOptions,
    images_of,
    shape_of_files,
    shape_of_input,
    with_measured_images,
)
from rdpass.cli.inspect import INPUT_HELP, MODEL_HELP, TOLERANCE_HELP, WEIGHTS_HELP
from rdpass.cli.named_model import images_of_run, load_named_model

if TYPE_CHECKING:
    from torch import Tensor

    from rdpass.quantization import Quantization

SOURCE_HELP = f"The folder that convert wrote, an .onnx file, or a MODEL: {MODEL_HELP}"
KEEP_HELP = "Leave in float what has such a name: a node, its output or its weight."


class ActivationType(StrEnum):
    """The type of activations."""

    u8 = "u8"
    s8 = "s8"


class Calibrator(StrEnum):
    """How the ranges of activations are chosen."""

    auto = "auto"
    minmax = "minmax"
    percentile = "percentile"
    mse = "mse"
    entropy = "entropy"


class Rounding(StrEnum):
    """How weights are rounded."""

    outputs = "outputs"
    nearest = "nearest"


@with_measured_images
def quantize_command(
    source: Annotated[str, typer.Argument(help=SOURCE_HELP, metavar="MODEL|run/|FILE.onnx")],
    *,
    data: Annotated[str, typer.Option(help=f"{DATA_HELP} Or an .npy file of images.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The .onnx file to write.")],
    weights: Annotated[str | None, typer.Option(help=WEIGHTS_HELP + " For a MODEL.")] = None,
    input_shape: Annotated[str | None, typer.Option("--input", help=INPUT_HELP + " For a MODEL.")] = None,
    activations: Annotated[ActivationType, typer.Option(help="Both have a zero point.")] = ActivationType.u8,
    calibrator: Annotated[
        Calibrator, typer.Option(help="auto: the one with the most SQNR on the images to validate with.")
    ] = Calibrator.auto,
    keep: Annotated[list[str] | None, typer.Option(help=KEEP_HELP + " A glob; may be repeated.")] = None,
    keep_worst: Annotated[int, typer.Option(min=0, help="So many of the most sensitive layers stay in float.")] = 0,
    rounding: Annotated[
        Rounding, typer.Option(help="Of weights: by what the layers' outputs see of it, or to the nearest step.")
    ] = Rounding.outputs,
    diagonal: Annotated[
        bool, typer.Option("--diagonal", help="16 bits for folded identities, where it pays; others use float there.")
    ] = False,
    images: Annotated[int, typer.Option(min=1, help="Images to calibrate with, at most.")] = 512,
    validate_images: Annotated[int, typer.Option(min=1, help="Images to validate with, at most.")] = 2000,
    tolerance: Annotated[float | None, typer.Option(help=f"Of the float network. {TOLERANCE_HELP}")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    image_options: ImageOptions,
) -> None:
    """Write int8 ONNX (QDQ) of a network, its ranges calibrated on --data, and report what that costs.

    Example: rdpass quantize run/ --data photos/ -o student-int8.onnx
    """
    from rdpass.core.comparison import users_tolerance
    from rdpass.core.errors import ConfigError
    from rdpass.core.places import check_free
    from rdpass.onnx.golden import golden_path
    from rdpass.quantization import quantize
    from rdpass.sources.models import files_of, files_of_weights

    read = [*files_of(source), *files_of_weights(weights), *([Path(data)] if data.endswith(".npy") else [])]
    for place in (out, golden_path(out)):
        check_free(place, force, inputs=read)
    is_module = not (Path(source).is_dir() or source.lower().endswith(".onnx"))
    if not is_module and (weights is not None or input_shape is not None):
        raise ConfigError(f"{source} brings its weights and input along; leave out --weights and --input")
    with users_tolerance(tolerance):
        model, example = _module(source, weights, input_shape) if is_module else (Path(source), None)
        shape = shape_of_input(None, example) if is_module else shape_of_files([source])
        calibrate, validate = images_of(data, image_options, images_of_run(source), shape)
        result = quantize(
            model,
            example,
            calibrate=calibrate,
            validate=validate,
            out=out,
            activations=activations.value,
            calibrator=calibrator.value,
            keep=keep or (),
            keep_worst=keep_worst,
            rounding=rounding.value,
            diagonal=diagonal,
            images=images,
            validate_images=validate_images,
            force=force,
        )
    if as_json:
        print(json.dumps({"out": str(out), **asdict(result.report)}, indent=1))
    else:
        _print_report(result)


def _module(source: str, weights: str | None, input_shape: str | None) -> tuple[Any, tuple[Tensor, ...] | None]:
    from rdpass.sources.models import choose_example

    model, stored = load_named_model(source, weights)
    return model, choose_example(model, input_shape, None, stored=stored)


def _print_report(result: Quantization) -> None:
    from rdpass.cli.tables import print_table

    report = result.report
    rows = [
        (t.calibrator, f"{t.sqnr:.1f} dB", _share(t.agreement), "taken" * (t.calibrator == report.calibrator))
        for t in report.trials
    ]
    print_table((f"calibrator, {report.compared} images", ">SQNR", ">same top class", ""), rows)
    if report.layers:
        print_table(("layer, quantised alone", "operator", "weight", ">SQNR", ""), [
            (noise.layer, noise.operator, noise.weight, f"{noise.sqnr:.1f} dB", "float" * (noise.layer in report.kept))
            for noise in report.layers
        ])  # fmt: skip
    if report.widened:
        print_table(
            ("16 bits for its diagonal", ">noise of the weights"),
            [(w.layer, f"-{w.gain:.1f} dB") for w in report.widened],
        )
    print_table(("", ">float", ">quantised"), [
        (f"top class right, {report.validated} images", _share(report.accuracy_before), _share(report.accuracy_after)),
        ("top class as the float network's", "", _share(report.agreement)),
        ("SQNR of the outputs", "", f"{report.sqnr:.1f} dB"),
    ])  # fmt: skip
    source = "held out of those given" if report.held_out else "given to validate with"
    print(f"calibrated on {report.calibrated} images; validated on {report.validated}, {source}")
    if report.kept:
        print(f"left in float: {', '.join(report.kept)}")
    print(result.path)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} %"

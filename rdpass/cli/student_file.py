"""The student of a run folder as an ONNX file, quantised where int8 is asked for: for commands that build files."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rdpass.cli.image_options import ImageOptions, images_of, names_images
from rdpass.cli.named_model import images_of_run
from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import BYTES, Precision

if TYPE_CHECKING:
    from rdpass.passes.quantize.report import QuantizationReport

NAME = "student.onnx"


@contextmanager
def student_file(
    run: Path, precision: Precision | None, data: str | None, options: ImageOptions | None = None
) -> Iterator[Path]:
    """The student of ``run`` in deploy form, with golden numbers beside it, for as long as the block runs.

    An int8 file that the run brings along is taken as it is, unless there are ``data`` to quantise with.

    Raises:
        ConfigError: ``run`` is no run folder, there are no data to quantise with, or some and nothing to quantise.
    """
    own = _in_int8(run) if precision == BYTES and data is None else None
    if own is not None:
        yield own
        return
    images = _images(run, precision, data)
    with tempfile.TemporaryDirectory(prefix="rdpass-") as place:
        file = Path(place) / NAME
        if images is None:
            from rdpass.runs.folder import load_run

            load_run(run).export_onnx(file)
        else:
            _quantise(run, images, options or ImageOptions(), file)
        yield file


def _in_int8(run: Path) -> Path | None:
    """The int8 file that a run brings along, if it does; what it is is said on stderr."""
    from rdpass.runs.folder import INT8, read_record

    report = read_record(run).int8
    if report is None:
        return None
    print(f"rdpass: {run / INT8} is taken as it is: {_history(report)}", file=sys.stderr)
    return run / INT8


def _history(report: QuantizationReport) -> str:
    """How an int8 file came about, and how good it is."""
    if report.training is None:
        accuracy = "" if report.accuracy_after is None else f", top class right {report.accuracy_after:.2f} %"
        return f"rounded on {report.calibrated} images, SQNR {report.sqnr:.1f} dB{accuracy}"
    what, before, rounded, trained = report.training.words
    figures = f"{what} {trained if report.training.kept == 'trained' else rounded} (float {before})"
    return f"{report.training.verdict}, {figures}"


def _images(run: Path, precision: Precision | None, data: str | None) -> str | None:
    """The name of the images to calibrate with; None where nothing is quantised."""
    from rdpass.core.other_formats import check_format
    from rdpass.runs.folder import RECORD, read_body
    from rdpass.runs.known_data import known_data

    if not Path(run, RECORD).exists():
        check_format(run)
    read_body(run)
    if precision != BYTES:
        if data is not None:
            raise ConfigError(f"--data {data} is for --precision int8, which takes images to calibrate with")
        return None
    found = data or known_data(run)
    if found is None:
        raise ConfigError(
            f"{run} in int8 takes images to calibrate with: name them with --data photos/, --data pkg.mod:fn or --data"
            " images.npy (the data of a run that was trained on this machine are known)"
        )
    return found


def _quantise(run: Path, images: str, options: ImageOptions, file: Path) -> None:
    from rdpass.quantization import quantize

    calibrate, validate = images_of(images, options, images_of_run(run) if names_images(images) else None)
    result = quantize(run, calibrate=calibrate, validate=validate, out=file)
    print(f"rdpass: {_told(result.report, images)}", file=sys.stderr)


def _told(report: QuantizationReport, images: str) -> str:
    before, after = report.accuracy_before, report.accuracy_after
    accuracy = "" if before is None or after is None else f", top class right {after:.2f} % (float {before:.2f} %)"
    return (
        f"quantised with {report.calibrated} images of {images}, compared on {report.validated}: SQNR"
        f" {report.sqnr:.1f} dB{accuracy}; rdpass quantize has the whole report"
    )

"""``quantize``: a float network in, the same network in int8 out, as QDQ ONNX; what is given is never touched.

1. The network becomes ONNX in deploy form, opset 21, and the images become batches of its size.
2. It is calibrated, rounded and compared (``passes/quantize/post_training.py``), and written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from rdpass.capture.trace import Example, as_inputs
from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.places import check_free
from rdpass.onnx.export import export_onnx
from rdpass.onnx.golden import golden_path, save_with_golden
from rdpass.onnx.model_files import model_files
from rdpass.onnx.source import OnnxSource, read_onnx
from rdpass.passes.quantize.calibrators import CALIBRATORS
from rdpass.passes.quantize.place_qdq import ACTIVATIONS
from rdpass.passes.quantize.post_training import AUTO, OUTPUTS, ROUNDINGS, How, finished, material_of, rounded
from rdpass.passes.quantize.report import QuantizationReport
from rdpass.runs.folder import load_run, written_files
from rdpass.runs.result import Conversion
from rdpass.sources.models import first_sample


@dataclass(frozen=True)
class Quantization:
    """A quantised network and how it came about: what ``quantize`` returns.

    Args:
        model: the QDQ network.
        path: the file it was written to, or None.
        report: calibrators tried, layers kept in float, SQNR, agreement and accuracy; see
            ``rdpass.passes.quantize.report``.

    Example:
        >>> import rdpass
        >>> result = rdpass.quantize(model, example, calibrate=loader, calibrator="minmax", show_progress=False)
        >>> result.report.calibrator, result.report.sqnr > 25
        ('minmax', True)
    """

    model: onnx.ModelProto
    path: Path | None
    report: QuantizationReport


def quantize(
    model: nn.Module | Conversion | onnx.ModelProto | str | Path,
    example: Example = None,
    *,
    calibrate: Iterable[Any] | Array | Tensor,
    validate: Iterable[Any] | Array | Tensor | None = None,
    out: str | Path | None = None,
    activations: str = "u8",
    calibrator: str = AUTO,
    keep: Sequence[str] = (),
    keep_worst: int = 0,
    rounding: str = OUTPUTS,
    diagonal: bool = False,
    images: int = 512,
    validate_images: int = 2000,
    force: bool = False,
    show_progress: bool = True,
) -> Quantization:
    """Quantise a network to int8: QDQ ONNX of opset 21, weights with one scale a filter.

    Args:
        model: a module, a conversion, an ONNX model, an ``.onnx`` file, or the folder of a run.
        example: the module's input, as ``convert`` takes it; by default the first row of ``calibrate``.
        calibrate: images, without labels if need be: an array (rows, …), or a loader in any form that training takes.
        validate: other images to compare on, with labels for an accuracy; by default one in four of ``calibrate``.
        out: an ``.onnx`` file to write, with golden numbers beside it.
        activations: "u8" or "s8"; both have a zero point, so nothing but the type differs.
        calibrator: "minmax", "percentile", "mse" or "entropy"; "auto" compares all four.
        keep: globs on names of nodes, of their outputs or weights; these stay in float.
        keep_worst: so many layers, of all the ones that cost most SQNR when they alone are quantised, stay in float.
        rounding: of weights: "outputs", by what the layers' outputs see of it, or "nearest".
        diagonal: give a plain student's folded identities 16 bits where that pays; others compute those in float.
        images: rows to calibrate with, at most.
        validate_images: rows to validate with, at most.
        force: replace what is at ``out``.
        show_progress: show on stderr what is under way.

    Returns:
        The quantised network and its report.

    Raises:
        ConfigError: a wrong argument, data that don't fit, a model that is quantised already, or a place that can't be
            written.
        TraceError: the module can't be exported.
        DivergedError: the loader fails or gives something else.
        ParityError: what was quantised is not what the integer oracle computes.

    Sources: one scale a filter as Krishnamoorthi (arXiv 1806.08342); rounding by outputs as GPTQ (arXiv 2210.17323);
    the diagonal is ours, docs/precision.md.

    Example:
        >>> import rdpass
        >>> result = rdpass.quantize(model, example, calibrate=loader, out="int8.onnx", show_progress=False)
        >>> [trial.calibrator for trial in result.report.trials], result.path.name
        (['minmax', 'percentile', 'mse', 'entropy'], 'int8.onnx')
        >>> result.report.calibrated, result.report.validated, result.report.held_out
        (24, 8, True)
    """
    how = How(activations, calibrator, keep, keep_worst, rounding, diagonal)
    _check(how, images, validate_images)
    place = None if out is None else Path(out)
    given = _files(model)
    for path in () if place is None else (place, golden_path(place)):
        check_free(path, force, inputs=given)
    material = material_of(_source(model, example, calibrate), calibrate, validate, images, validate_images)
    quantised, report = rounded(material, how, show_progress)
    named, golden = finished(quantised, material, report)
    if place is not None:
        save_with_golden(named, golden, place, force)
    return Quantization(named, place, report)


def _check(how: How, images: int, validate_images: int) -> None:
    if how.activations not in ACTIVATIONS:
        raise ConfigError(f"activations are {' or '.join(ACTIVATIONS)}, not {how.activations!r}")
    if how.calibrator not in (AUTO, *CALIBRATORS):
        raise ConfigError(f"there is no calibrator {how.calibrator!r}; it is one of {', '.join((AUTO, *CALIBRATORS))}")
    if how.rounding not in ROUNDINGS:
        raise ConfigError(f"rounding is {' or '.join(ROUNDINGS)}, not {how.rounding!r}")
    if min(images, validate_images) < 1:
        raise ConfigError("images and validate_images are at least 1")
    if how.keep_worst < 0:
        raise ConfigError("keep_worst is at least 0")


def _files(model: object) -> list[Path]:
    """The files that are read, and must not be written over."""
    if not isinstance(model, str | Path):
        return []
    path = Path(model)
    return (
        [path / name for name in written_files(path) or ()]
        if path.is_dir()
        else [*model_files(path), golden_path(path)]
    )


def _source(model: nn.Module | Conversion | onnx.ModelProto | str | Path, example: Example, data: Any) -> OnnxSource:
    """The float network as checked ONNX."""
    if isinstance(model, onnx.ModelProto):
        return read_onnx(model)
    if isinstance(model, str | Path) and not Path(model).is_dir():
        return read_onnx(Path(model))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.onnx"
        if isinstance(model, str | Path | Conversion):
            conversion = model if isinstance(model, Conversion) else load_run(model)
            return replace(read_onnx(conversion.export_onnx(path)), path=None)
        if not isinstance(model, nn.Module):
            raise ConfigError(
                f"quantize takes a module, a conversion, ONNX or a run folder, not a {type(model).__name__}"
            )
        found = as_inputs(model, example) if example is not None else _first_row(model, data)
        return replace(read_onnx(export_onnx(model, found, path)), path=None)


def _first_row(model: nn.Module, data: Any) -> tuple[Tensor, ...]:
    if isinstance(data, np.ndarray | Tensor):
        return (torch.as_tensor(data)[:1].clone(),)
    return first_sample(model, data)

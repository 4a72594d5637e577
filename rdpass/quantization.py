"""``quantize``: a float network in, the same network in int8 out, as QDQ ONNX; what is given is never touched.

1. The network becomes ONNX in deploy form, opset 21, and the images become batches of its size.
2. Every tensor's histogram over the images for calibration; each calibrator chooses ranges from these.
3. The calibrators are compared on other images by the SQNR of the outputs, and the best one is taken.
4. Where asked, each layer is quantised alone, and those that cost most stay in float.
5. Weights are rounded by what the layers' outputs see of it (``round_weights``); where asked, folded identities get 16
   bits (``widen_diagonal``).
6. The result is compared with the float network, ONNX Runtime's numbers with the integer oracle's, and written.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from rdpass.capture.trace import Example, as_inputs
from rdpass.core.comparison import INTEGERS, Array, sqnr
from rdpass.core.errors import ConfigError, ParityError, RdpassError, first_line
from rdpass.core.places import check_free
from rdpass.core.progress import Progress, progress
from rdpass.onnx.export import export_onnx
from rdpass.onnx.golden import Golden, golden_path, save_with_golden
from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.model_files import model_files
from rdpass.onnx.source import GATES_KEY, OnnxSource, read_onnx
from rdpass.passes.quantize.calibrators import CALIBRATORS, Range
from rdpass.passes.quantize.fidelity import Fidelity, accuracy, fidelity, outputs_of
from rdpass.passes.quantize.histograms import Histogram, take_histograms
from rdpass.passes.quantize.layers import LayerNoise, layer_noises, named_nodes, weighted_layers
from rdpass.passes.quantize.moments import take_moments
from rdpass.passes.quantize.place_qdq import ACTIVATIONS, place_qdq
from rdpass.passes.quantize.prepare import prepare
from rdpass.passes.quantize.report import QuantizationReport, Trial
from rdpass.passes.quantize.round_weights import Rounded, round_weights, with_rounded
from rdpass.passes.quantize.widen_diagonal import Widened, widen_diagonals
from rdpass.runs.folder import load_run, written_files
from rdpass.runs.result import Conversion
from rdpass.sources.models import first_sample
from rdpass.sources.samples import Samples, hold_out, read_samples

AUTO = "auto"
OUTPUTS, NEAREST = ROUNDINGS = ("outputs", "nearest")
COMPARED, SENSITIVE, SEEN = 512, 64, 256
"""Rows that calibrators are compared on, and layers; rows that the rounding of weights looks at."""
EQUAL = 100.0
"""dB beyond which two computations of one float network may be apart as well."""
_APART = 6.0
"""dB: twice the difference."""
REPORT_KEY = "rdpass.quantization"
"""Where in the file's metadata the report is, as JSON."""


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


@dataclass(frozen=True)
class _Order:
    """A network to quantise, how, with which nodes left in float, and what it is compared on.

    ``rounded``: integers of its layers; none where each weight is rounded to the nearest.
    """

    model: onnx.ModelProto
    activations: str
    diagonal: bool
    kept: tuple[str, ...]
    validation: Samples
    shown: _Counter
    rounded: Mapping[str, Rounded] = field(default_factory=dict)


class _Counter:
    """Progress in rows that a network was run on."""

    def __init__(self, shown: Progress) -> None:
        self.shown, self.done, self.text = shown, 0, ""

    def __call__(self, rows: int) -> None:
        self.done += rows
        self.shown.step(self.done, self.text)


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
    _check(activations, calibrator, rounding, images, validate_images, keep_worst)
    place = None if out is None else Path(out)
    given = _files(model)
    for path in () if place is None else (place, golden_path(place)):
        check_free(path, force, inputs=given)
    source = _source(model, example, calibrate)
    prepared = prepare(source.model)
    kept = named_nodes(prepared, keep)
    if keep_worst > (count := len(weighted_layers(prepared))):
        raise ConfigError(f"keep_worst is {keep_worst}, and the network has {count} layers")
    calibration, validation = _samples(source, calibrate, validate, images, validate_images)
    names = list(CALIBRATORS) if calibrator == AUTO else [calibrator]
    compared, sensitive = validation.first(COMPARED), validation.first(SENSITIVE)
    seen = calibration.first(SEEN) if rounding == OUTPUTS else None
    work = (
        2 * calibration.rows
        + (0 if seen is None else seen.rows)
        + compared.rows * (1 + len(names))
        + 2 * validation.rows
    )
    work += sensitive.rows * (count + 1) if keep_worst else 0
    with progress("quantize", work, show_progress) as shown:
        order = _Order(prepared, activations, diagonal, kept, compared, _Counter(shown))
        ranges = _ranges(order, calibration, names)
        order = order if seen is None else replace(order, rounded=_rounded(order, ranges[names[0]], seen))
        trials = _trials(order, ranges)
        chosen = max(trials, key=lambda trial: trial.sqnr).calibrator
        noises = _noises(replace(order, validation=sensitive), ranges[chosen]) if keep_worst else ()
        worst = tuple(noise.layer for noise in noises if noise.layer not in kept)[:keep_worst]
        final = replace(order, kept=(*kept, *worst), validation=validation)
        quantised, widened = _quantised(final, ranges[chosen])
        report = QuantizationReport(
            activations=activations, rounding=rounding, calibrator=chosen,
            trials=trials, layers=noises, kept=final.kept, widened=widened,
            calibrated=calibration.rows, compared=compared.rows, validated=validation.rows, held_out=validate is None,
            **_figures(final, quantised),
        )  # fmt: skip
    return _finished(quantised, source, report, validation.feeds[0], place, force)


def _check(
    activations: str, calibrator: str, rounding: str, images: int, validate_images: int, keep_worst: int
) -> None:
    if activations not in ACTIVATIONS:
        raise ConfigError(f"activations are {' or '.join(ACTIVATIONS)}, not {activations!r}")
    if calibrator not in (AUTO, *CALIBRATORS):
        raise ConfigError(f"there is no calibrator {calibrator!r}; it is one of {', '.join((AUTO, *CALIBRATORS))}")
    if rounding not in ROUNDINGS:
        raise ConfigError(f"rounding is {' or '.join(ROUNDINGS)}, not {rounding!r}")
    if min(images, validate_images) < 1:
        raise ConfigError("images and validate_images are at least 1")
    if keep_worst < 0:
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


def _samples(source: OnnxSource, calibrate: Any, validate: Any, images: int, others: int) -> tuple[Samples, Samples]:
    if validate is None:
        return hold_out(read_samples(calibrate, source.inputs, images, "calibration"))
    calibration = read_samples(calibrate, source.inputs, images, "calibration")
    return calibration, read_samples(validate, source.inputs, others, "validation")


def _ranges(order: _Order, calibration: Samples, names: Sequence[str]) -> dict[str, dict[str, Range]]:
    """The ranges of all tensors by each calibrator."""
    order.shown.text = "calibrating"
    histograms: Mapping[str, Histogram] = take_histograms(order.model, calibration.feeds, order.shown)
    return {name: {tensor: CALIBRATORS[name](found) for tensor, found in histograms.items()} for name in names}


def _rounded(order: _Order, ranges: Mapping[str, Range], seen: Samples) -> dict[str, Rounded]:
    """Integers of all layers, on scales that do not depend on the ranges."""
    order.shown.text = "rounding weights"
    moments = take_moments(order.model, seen.feeds, order.shown)
    return round_weights(_quantised(order, ranges)[0], order.model, moments)


def _trials(order: _Order, ranges: Mapping[str, Mapping[str, Range]]) -> tuple[Trial, ...]:
    order.shown.text = "comparing calibrators"
    expected = outputs_of(order.model, order.validation.feeds, order.shown)
    trials = []
    for name, chosen in ranges.items():
        found = _fidelity(order, _quantised(order, chosen)[0], expected)
        trials.append(Trial(name, found.sqnr, found.agreement))
    return tuple(trials)


def _noises(order: _Order, ranges: Mapping[str, Range]) -> tuple[LayerNoise, ...]:
    order.shown.text = "quantising one layer at a time"
    expected = outputs_of(order.model, order.validation.feeds, order.shown)

    def alone(layer: str) -> onnx.ModelProto:
        return _quantised(order, ranges, only=(layer,))[0]

    return layer_noises(order.model, alone, order.validation.feeds, expected, order.shown)


def _quantised(
    order: _Order, ranges: Mapping[str, Range], only: Sequence[str] = ()
) -> tuple[onnx.ModelProto, tuple[Widened, ...]]:
    try:
        placed = place_qdq(order.model, ranges, order.activations, () if only else order.kept, only)
        placed, widened = widen_diagonals(placed, order.model) if order.diagonal else (placed, ())
        return with_rounded(placed, order.rounded), widened
    except RdpassError:
        raise
    except Exception as error:  # the quantiser raises what it likes
        raise ConfigError(f"onnxruntime's quantiser can't take this network: {first_line(error)}") from error


def _fidelity(order: _Order, quantised: onnx.ModelProto, expected: Sequence[Array]) -> Fidelity:
    return fidelity(outputs_of(quantised, order.validation.feeds, order.shown), expected)


def _figures(order: _Order, quantised: onnx.ModelProto) -> dict[str, Any]:
    """Fields of the report: the quantised network beside the float one, on all images of the validation."""
    order.shown.text = "validating"
    samples = order.validation
    before, after = (outputs_of(each, samples.feeds, order.shown) for each in (order.model, quantised))
    _check_integers(quantised, samples.feeds[0], [values[0] for values in before], [values[0] for values in after])
    figures: Callable[[Sequence[Array]], float | None] = lambda outputs: accuracy(outputs, samples.labels)  # noqa: E731
    return {**asdict(fidelity(after, before)), "accuracy_before": figures(before), "accuracy_after": figures(after)}


def _check_integers(
    quantised: onnx.ModelProto, feed: Sequence[Array], before: Sequence[Array], after: Sequence[Array]
) -> None:
    """Compare the integer oracle with ONNX Runtime.

    Both round in every layer, in different places. So in a deep network well quantised they may be as far apart as
    the quantised network and the float one, but not farther by ``_APART``.

    Raises:
        ParityError: they are.
    """
    for index, (exact, known, real) in enumerate(zip(integer_run(quantised, feed), after, before, strict=True)):
        apart, cost = sqnr(exact, known), min(sqnr(known, real), EQUAL)
        if apart < cost - _APART:
            raise ParityError(
                f"quantised: output {index} in integers has {apart:.1f} dB against ONNX Runtime's, and quantisation"
                f" leaves {cost:.1f} dB"
            )


def _finished(
    quantised: onnx.ModelProto, source: OnnxSource, report: QuantizationReport, feed: Sequence[Array],
    place: Path | None, force: bool,
) -> Quantization:  # fmt: skip
    """The result, written with its golden numbers where there is a place."""
    quantised.producer_name, quantised.producer_version, quantised.doc_string = "rdpass", "", ""
    gates = json.dumps([asdict(gate) for gate in source.gates])
    del quantised.metadata_props[:]
    quantised.metadata_props.add(key=GATES_KEY, value=gates)
    quantised.metadata_props.add(key=REPORT_KEY, value=json.dumps(asdict(report)))
    onnx.checker.check_model(quantised, full_check=True)
    if place is not None:
        kinds = [spec.dtype for spec in source.outputs]
        outputs = tuple(y.astype(kind) for y, kind in zip(integer_run(quantised, feed), kinds, strict=True))
        save_with_golden(quantised, Golden(tuple(feed), outputs, INTEGERS), place, force)
    return Quantization(quantised, place, report)

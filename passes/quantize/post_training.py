"""Quantisation after training: a float network and images in, a QDQ network of int8 with a report out.

1. Every tensor's histogram over the images for calibration; each calibrator chooses ranges from these.
2. The calibrators are compared on other images by the SQNR of the outputs, and the best one is taken.
3. Where asked, each layer is quantised alone, and those that cost most stay in float.
4. Weights are rounded by what the layers' outputs see of it (``round_weights``); where asked, folded identities get 16
   bits (``widen_diagonal``).
5. The result is compared with the float network, and ONNX Runtime's numbers with the integer oracle's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import onnx

from rdpass.core.comparison import INTEGERS, Array, sqnr
from rdpass.core.errors import ConfigError, ParityError, RdpassError, first_line
from rdpass.core.image_settings import check_class_count
from rdpass.core.progress import Progress, progress
from rdpass.onnx.golden import Golden
from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.source import GATES_KEY, OnnxSource
from rdpass.passes.quantize.calibrators import CALIBRATORS, Range
from rdpass.passes.quantize.fidelity import Fidelity, accuracy, fidelity, outputs_of
from rdpass.passes.quantize.histograms import Histogram, take_histograms
from rdpass.passes.quantize.layers import layer_noises, named_nodes, weighted_layers
from rdpass.passes.quantize.moments import take_moments
from rdpass.passes.quantize.place_qdq import place_qdq
from rdpass.passes.quantize.prepare import prepare
from rdpass.passes.quantize.report import LayerNoise, QuantizationReport, Trial, Widened
from rdpass.passes.quantize.round_weights import Rounded, round_weights, with_rounded
from rdpass.passes.quantize.widen_diagonal import widen_diagonals
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
class Material:
    """A float network that is to be quantised, and the images for it.

    ``source``: as it was read. ``prepared``: the form that QDQ nodes are placed in. ``held_out``: the images to
    validate with are part of those that were given to calibrate with.
    """

    source: OnnxSource
    prepared: onnx.ModelProto
    calibration: Samples
    validation: Samples
    held_out: bool


@dataclass(frozen=True)
class How:
    """How a network is quantised; the fields are arguments of ``quantize``."""

    activations: str = "u8"
    calibrator: str = AUTO
    keep: Sequence[str] = ()
    keep_worst: int = 0
    rounding: str = OUTPUTS
    diagonal: bool = False


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


def material_of(source: OnnxSource, calibrate: Any, validate: Any, images: int = 512, others: int = 2000) -> Material:
    """A float network with up to ``images`` to calibrate with, and ``others`` to validate with.

    Raises:
        ConfigError: the network is quantised already, or the data don't fit it.
        DivergedError: a loader fails or gives something else.
    """
    for data in (calibrate, validate):
        check_class_count(data, [spec.shape for spec in source.outputs], "the network")
    prepared = prepare(source.model)
    calibration = read_samples(calibrate, source.inputs, images, "calibration")
    if validate is None:
        return Material(source, prepared, *hold_out(calibration), held_out=True)
    return Material(
        source, prepared, calibration, read_samples(validate, source.inputs, others, "validation"), held_out=False
    )


def rounded(material: Material, how: How, show_progress: bool) -> tuple[onnx.ModelProto, QuantizationReport]:
    """The network in int8, as ``how`` says, and the report of it.

    Raises:
        ConfigError: a name or number of ``how`` is not the network's.
        ParityError: what was quantised is not what the integer oracle computes.
    """
    prepared, calibration, validation = material.prepared, material.calibration, material.validation
    kept = named_nodes(prepared, how.keep)
    if how.keep_worst > (count := len(weighted_layers(prepared))):
        raise ConfigError(f"keep_worst is {how.keep_worst}, and the network has {count} layers")
    names = list(CALIBRATORS) if how.calibrator == AUTO else [how.calibrator]
    compared, sensitive = validation.first(COMPARED), validation.first(SENSITIVE)
    seen = calibration.first(SEEN) if how.rounding == OUTPUTS else None
    work = (
        2 * calibration.rows
        + (0 if seen is None else seen.rows)
        + compared.rows * (1 + len(names))
        + 2 * validation.rows
    )
    work += sensitive.rows * (count + 1) if how.keep_worst else 0
    with progress("quantize", work, show_progress) as shown:
        order = _Order(prepared, how.activations, how.diagonal, kept, compared, _Counter(shown))
        ranges = _ranges(order, calibration, names)
        order = order if seen is None else replace(order, rounded=_rounded(order, ranges[names[0]], seen))
        trials = _trials(order, ranges)
        chosen = max(trials, key=lambda trial: trial.sqnr).calibrator
        noises = _noises(replace(order, validation=sensitive), ranges[chosen]) if how.keep_worst else ()
        worst = tuple(noise.layer for noise in noises if noise.layer not in kept)[: how.keep_worst]
        final = replace(order, kept=(*kept, *worst), validation=validation)
        quantised, widened = _quantised(final, ranges[chosen])
        order.shown.text = "validating"
        report = QuantizationReport(
            activations=how.activations, rounding=how.rounding, calibrator=chosen,
            trials=trials, layers=noises, kept=final.kept, widened=widened,
            calibrated=calibration.rows, compared=compared.rows, validated=validation.rows, held_out=material.held_out,
            **figures(quantised, material, order.shown),
        )  # fmt: skip
    return quantised, report


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


def figures(
    quantised: onnx.ModelProto, material: Material, step: Callable[[int], None] = lambda rows: None
) -> dict[str, Any]:
    """Fields of the report: the quantised network beside the float one, on all images of the validation.

    Raises:
        ParityError: ONNX Runtime's numbers are not those of the integer oracle.
    """
    samples = material.validation
    before, after = (outputs_of(each, samples.feeds, step) for each in (material.prepared, quantised))
    _check_integers(quantised, samples.feeds[0], [values[0] for values in before], [values[0] for values in after])
    right: Callable[[Sequence[Array]], float | None] = lambda outputs: accuracy(outputs, samples.labels)  # noqa: E731
    return {**asdict(fidelity(after, before)), "accuracy_before": right(before), "accuracy_after": right(after)}


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


def finished(
    quantised: onnx.ModelProto, material: Material, report: QuantizationReport
) -> tuple[onnx.ModelProto, Golden]:
    """The file with its report and the float network's gates, and what it gives for an image of the validation."""
    named, source, feed = onnx.ModelProto(), material.source, material.validation.feeds[0]
    named.CopyFrom(quantised)
    named.producer_name, named.producer_version, named.doc_string = "rdpass", "", ""
    del named.metadata_props[:]
    named.metadata_props.add(key=GATES_KEY, value=json.dumps([asdict(gate) for gate in source.gates]))
    named.metadata_props.add(key=REPORT_KEY, value=json.dumps(asdict(report)))
    onnx.checker.check_model(named, full_check=True)
    outputs = integer_run(named, feed)
    typed = tuple(y.astype(spec.dtype) for y, spec in zip(outputs, source.outputs, strict=True))
    return named, Golden(tuple(feed), typed, INTEGERS)

"""Quantisation-aware training: the last stage of a conversion, with fake quantisation in the places of the int8 file.

1. The float student becomes ONNX, is calibrated on training images and rounded by outputs, as ``rdpass quantize`` does.
2. That file is read as a network that can be trained (``fake_quantised``), and learns from the teacher for a few
   epochs. Ranges and scales stay, so what is trained is what the file computes.
3. Its integers go into the file again. Before and after, float64 of what is trained is compared with the integers.
4. Of both files the one that is better on the validation data is kept, and the report says which.

Without epochs the file of 1 is the result.

The float student stays as it is: the file has weights of its own.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import onnx
import torch
from torch import nn
from torch.fx import Node
from torch.fx.node import map_arg

from rdpass.core.comparison import INTEGERS, Array, NumericGate, check_close, own_tolerances
from rdpass.core.errors import ConfigError
from rdpass.core.plan import Traced
from rdpass.core.tensors import arrays_of
from rdpass.onnx.export import export_onnx
from rdpass.onnx.golden import Golden, save_with_golden
from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.source import OnnxSource, read_onnx
from rdpass.passes.quantize.calibrators import with_zero
from rdpass.passes.quantize.fake_quantised import FakeQuantised, fake_quantised
from rdpass.passes.quantize.histograms import take_extremes
from rdpass.passes.quantize.place_qdq import place_qdq
from rdpass.passes.quantize.post_training import How, Material, figures, finished, material_of, rounded
from rdpass.passes.quantize.prepare import prepare
from rdpass.passes.quantize.report import QuantizationReport, TrainingReport
from rdpass.training.checkpoint import LAST_STAGE, has_checkpoint, last_stage
from rdpass.training.engine import train
from rdpass.training.evaluation import evaluate
from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.losses import Criteria
from rdpass.training.request import Request
from rdpass.training.world import World, current_world, own_device

log = logging.getLogger(__name__)

TOLERANCE = 5e-2
"""Of float64 against integers: equal but for numbers next to a half, each a step. It is that of bundles in int8."""
COMPARED = 8
"""Images that are compared so."""
MEASURED = 128
"""Training images that the distance from the teacher is measured on, where there are none to validate with."""
LABEL = "the int8 student"


@dataclass(frozen=True)
class Int8Student:
    """A student in int8, trained with fake quantisation or rounded: what a conversion with ``quantize="int8"`` holds.

    Args:
        model: the QDQ network, with the report in its metadata.
        golden: a validation image and what the integers give for it; no part of a comparison.
        report: calibrators, figures before and after; ``report.training`` says which of both was kept, None where
            nothing was trained.
    """

    model: onnx.ModelProto
    golden: Golden = field(compare=False)
    report: QuantizationReport

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the network as an ``.onnx`` file, with golden numbers beside it, and return the path.

        Raises:
            ConfigError: the place is taken or can't be written.
        """
        place = Path(path)
        save_with_golden(self.model, self.golden, place, force)
        return place


class QuantisedDistillation(KnowledgeDistillation):
    """Distillation of a fake-quantised student: its integers are trained, and it stays as it is deployed."""

    def __init__(self, student: FakeQuantised, teacher: nn.Module, criteria: Criteria) -> None:
        super().__init__(student.module, teacher, criteria)
        student.module.requires_grad_(False)
        for parameter in student.parameters():
            parameter.requires_grad_(True)

    def train(self, mode: bool = True) -> Self:
        """All in eval mode: normalisation that is left keeps its statistics, as in the file."""
        return super().train(False)


def check_quantisable(student: Traced) -> None:
    """Take ``student`` through all forms that its int8 file needs, before anything is trained.

    Raises:
        ConfigError, TraceError: it can't be exported, quantised, or read back to be trained.
    """
    source = _source(student)
    prepared = prepare(source.model)
    feeds = [[x.detach().cpu().numpy() for x in student.example]]
    placed = place_qdq(prepared, {name: with_zero(*found) for name, found in take_extremes(prepared, feeds).items()})
    network = _network(placed, student)
    integer_run(placed, feeds[0])
    with torch.no_grad():
        network.module(*student.example)


def train_quantised(
    student: Traced, teacher: nn.Module, request: Request
) -> tuple[Int8Student, tuple[NumericGate, ...]]:
    """``student`` in int8, trained for ``request.config.quantize.epochs`` epochs (none: rounded alone), and the gates
    passed.

    Args:
        student: the float student in deploy form; left as it is.
        teacher: what it learns from; left as it is.
        request: data, settings, where progress is kept and whether to go on from there.

    Raises:
        ConfigError: the student can't be quantised, or read into torch again.
        DivergedError: the data or the loss are not usable.
        ParityError: what was trained is not what the file computes.
    """
    material = material_of(_source(student), request.train, request.validate)
    first, report = rounded(material, How(), request.show_progress)
    if not request.config.quantize.epochs:
        return Int8Student(*finished(first, material, report), report), ()
    network = _network(first, student)
    gates = [_gate("int8-start", network, first, material)]
    measure = _measure_of(request, teacher, material)
    before, start = measure(student.module), measure(network.module)
    history = train(QuantisedDistillation(network, deepcopy(teacher), request.criteria), _last_stage(request))
    trained = network.stored(first)
    gates.append(_gate("int8-trained", network, trained, material))
    told = _told(request, before, start, measure(network.module), history)
    kept = trained if told.kept == "trained" else first
    told_report = replace(report, training=told, **(figures(trained, material) if kept is trained else {}))
    model, golden = finished(kept, material, told_report)
    return Int8Student(model, golden, told_report), tuple(gates)


def _source(student: Traced) -> OnnxSource:
    with tempfile.TemporaryDirectory() as folder:
        path = export_onnx(student.module, student.example, Path(folder) / "float.onnx")
        return replace(read_onnx(path), path=None)


def _network(placed: onnx.ModelProto, student: Traced) -> FakeQuantised:
    """The file as a network with the inputs and outputs of ``student``, by name and in the same containers.

    Raises:
        ConfigError: they are not the file's.
    """
    found = fake_quantised(placed, LABEL)
    own, others = (list(module.graph.nodes) for module in (found.module, student.module))
    placeholders = [[node for node in nodes if node.op == "placeholder"] for nodes in (own, others)]
    if len(placeholders[0]) != len(placeholders[1]):
        raise ConfigError(
            f"{LABEL}: the file has {len(placeholders[0])} inputs, and the student {len(placeholders[1])}"
        )
    for mine, theirs in zip(*placeholders, strict=True):
        mine.target = theirs.target
    given = own[-1].args[0] if isinstance(own[-1].args[0], tuple) else (own[-1].args[0],)
    own[-1].args = (_arranged(list(given), others[-1].args[0]),)
    found.module.recompile()
    return found


def _arranged(values: Sequence[Any], wanted: Any) -> Any:
    """``values`` in the containers of ``wanted``, the output of another graph."""
    places: list[Node] = []
    map_arg(wanted, places.append)
    if len(places) != len(values):
        raise ConfigError(f"{LABEL}: the file has {len(values)} outputs, and the student {len(places)}")
    left = iter(values)
    return map_arg(wanted, lambda node: next(left))


def _gate(name: str, network: FakeQuantised, file: onnx.ModelProto, material: Material) -> NumericGate:
    """What is trained, in float64, against the integers of the file, image by image."""
    doubled = deepcopy(network.module).double()
    feeds = material.validation.first(COMPARED).feeds
    actual: list[Array] = []
    expected: list[Array] = []
    for feed in feeds:
        inputs = [torch.from_numpy(x) for x in feed]
        with torch.no_grad():
            actual += arrays_of(doubled(*(x.double() if x.is_floating_point() else x for x in inputs)))
        expected += integer_run(file, feed)
    with own_tolerances():
        return replace(check_close(name, actual, expected, TOLERANCE), oracle=INTEGERS)


Figure = tuple[str, float]


def _measure_of(request: Request, teacher: nn.Module, material: Material) -> Callable[[nn.Module], Figure]:
    if request.validate is not None:
        return partial(_validated, request=request)
    return partial(_distance, request=request, teacher=teacher, material=material)


def _validated(module: nn.Module, request: Request) -> Figure:
    device = own_device(request.config.device)
    here = replace(request, config=request.config.model_copy(update={"device": device}))
    try:
        found = evaluate(module.to(device), here, World())
    finally:
        module.to("cpu")
    return next(iter(found.items()))


@torch.no_grad()
def _distance(module: nn.Module, request: Request, teacher: nn.Module, material: Material) -> Figure:
    distances = []
    for feed in material.calibration.first(MEASURED).feeds:
        inputs = [torch.from_numpy(x) for x in feed]
        distances.append(float(request.criteria.distance_of(module(*inputs), teacher(*inputs))))
    return "distance", sum(distances) / len(distances)


def _last_stage(request: Request) -> Request:
    """The request of this stage's training: its own settings, and a folder of its own to go on from."""
    options = request.config.quantize
    # Of mixed precision's 8 significant bits nothing is left to round to integers; parameters have other names here.
    settings: dict[str, Any] = {
        "epochs": options.epochs,
        "lr": options.lr,
        "clip": options.clip,
        "amp": None,
        "parameters": {},
    }
    checkpoint = None
    if request.checkpoint is not None:
        checkpoint = last_stage(request.checkpoint)
        if current_world().is_first:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
    return replace(
        request, config=request.config.model_copy(update=settings), checkpoint=checkpoint,
        resume=request.resume and has_checkpoint(checkpoint), stage=LAST_STAGE,
    )  # fmt: skip


def _told(
    request: Request, before: Figure, start: Figure, end: Figure, history: Sequence[dict[str, float]]
) -> TrainingReport:
    measure = before[0]
    better = end[1] >= start[1] if measure == "accuracy" else end[1] <= start[1]
    if not better:
        log.warning(
            "training with fake quantisation ended worse than rounding alone (%s %.4g, and %.4g before): the int8 file"
            " holds the rounded network; try more --set train.quantize.epochs, or a lower train.quantize.lr",
            measure.replace("_", " "), end[1], start[1],
        )  # fmt: skip
    return TrainingReport(
        measure=measure, float_network=before[1], rounded=start[1], trained=end[1],  # type: ignore[arg-type]
        kept="trained" if better else "rounded", history=tuple(history),
    )  # fmt: skip

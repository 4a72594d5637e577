"""Networks made by ``convert`` and measured beside the teacher: short for a probe, in full for a point that is kept."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from rdpass.conversion import convert
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.estimates import Estimate
from rdpass.core.numeric_types import BYTES, HALF, SINGLE, Precision
from rdpass.core.plan import Skipped
from rdpass.core.tensors import tensors_in
from rdpass.evaluation import evaluate
from rdpass.fitting.networks import EXACT, Network
from rdpass.fitting.record import ROUNDED, TRAINED, Measured
from rdpass.profiling.account.choices import AS_IT_IS, choice_key
from rdpass.recipes.keep import KEEP
from rdpass.runs.folder import RECORD, load_run
from rdpass.runs.result import Conversion
from rdpass.training.config import DistillConfig
from rdpass.training.loading import Loading

PROBE_STEPS = 200
"""Steps of a probe at most; it is never longer than ``PROBE_SHARE`` of the training that it stands for."""
PROBE_SHARE = 0.25
PROBE_IMAGES = 1000
"""Images that a probe is measured on, at most."""


@dataclass(frozen=True)
class Probed:
    """A network as it was measured, the precisions in which it could not be, the student, and the seconds of a step."""

    measured: tuple[Measured, ...]
    skipped: tuple[Skipped, ...]
    student: Any = field(default=None, compare=False)
    seconds: float = 0.0


@dataclass(frozen=True)
class Trials:
    """All that networks are made of and measured with.

    ``metric``: as ``evaluate`` takes it; ``images``: to measure on, None for all.
    """

    model: nn.Module
    example: tuple[Tensor, ...]
    train: Iterable[Any]
    validate: Iterable[Any]
    loss: Any
    distance: Any
    metric: Any
    leaf: Sequence[str]
    max_macs: float
    config: DistillConfig
    images: int | None
    show_progress: bool

    @property
    def steps(self) -> int:
        """Of a training in full."""
        return self.config.epochs * Loading(self.train, self.config).length

    def baseline(self) -> tuple[str, Estimate]:
        """The name of the figure, and the teacher's.

        Raises:
            ConfigError: the data have no labels, and there is no metric.
        """
        found = evaluate(self.model, self.validate, metric=self.metric, images=self.images, show_progress=False)
        figures = found.networks[0].figures
        if not figures:
            raise ConfigError("the data have no labels to measure accuracy with: give --metric pkg.mod:fn (metric=)")
        return next(iter(figures.items()))

    def probe_config(self) -> DistillConfig:
        """The settings of a short training."""
        length = Loading(self.train, self.config).length
        steps = max(1, min(PROBE_STEPS, int(PROBE_SHARE * self.steps)))
        at_once = self.config.prune.model_copy(update={"steps": 1})
        short = {"epochs": max(1, steps // length), "batches": min(length, steps), "quantize": self._rounding,
                 "prune": at_once, "log": (), "tensorboard": False, "keep_best": False, "patience": None}  # fmt: skip
        return self.config.model_copy(update=short)

    @property
    def _rounding(self) -> Any:
        return self.config.quantize.model_copy(update={"epochs": 0})

    def probe(self, network: Network, precisions: Sequence[Precision]) -> Probed:
        """A short training, measured; its student is not kept."""
        config, since = self.probe_config(), time.monotonic()
        conversion = self._converted(network, precisions, config, None, validate=None)
        steps = config.epochs * (config.batches or 1)
        seconds = (time.monotonic() - since) / steps
        few = PROBE_IMAGES if self.images is None else min(self.images, PROBE_IMAGES)
        return replace(self.measure(network, conversion, precisions, f"probe of {steps} steps", few), seconds=seconds)

    def untrained(self, network: Network, precisions: Sequence[Precision], out: Path) -> Probed:
        """A network that needs no training, in int8 by rounding, kept in the run folder ``out``, and measured."""
        config = self.config.model_copy(update={"quantize": self._rounding})
        conversion = self._converted(network, precisions, config, out, self.validate)
        how = AS_IT_IS if network.recipe == KEEP.name else EXACT
        return self.measure(network, conversion, precisions, how, self.images, out)

    def trained(self, network: Network, precisions: Sequence[Precision], out: Path) -> Probed:
        """A training in full, kept in the run folder ``out``, and measured."""
        conversion = self._converted(network, precisions, self.config, out, self.validate)
        return self.measure(network, conversion, precisions, TRAINED, self.images, out)

    def _converted(
        self,
        network: Network,
        precisions: Sequence[Precision],
        config: DistillConfig,
        out: Path | None,
        validate: Iterable[Any] | None,
    ) -> Conversion:
        if out is not None and (out / RECORD).is_file():  # it was done before the search was stopped
            return load_run(out)
        conversion = convert(
            self.model, self.example, recipe=network.recipe, only=network.removed, leaf=self.leaf, train=self.train,
            validate=validate, loss=self.loss, distance=self.distance, max_macs=self.max_macs,
            config=network.settings(config), quantize=BYTES if BYTES in precisions else None, out=out,
            resume="auto" if out is not None else None, show_progress=self.show_progress,
        )  # fmt: skip
        _check_removed(network, conversion)
        return conversion

    def measure(
        self,
        network: Network,
        conversion: Conversion,
        precisions: Sequence[Precision],
        how: str,
        images: int | None,
        out: Path | None = None,
    ) -> Probed:
        """The network in each precision beside the teacher, on the same images."""
        with tempfile.TemporaryDirectory(prefix="rdpass-") as place:
            forms, skipped = _forms(network, conversion, precisions, Path(place))
            networks: dict[str, Any] = {"teacher": self.model, **{str(name): form for name, form in forms.items()}}
            found = evaluate(
                networks, self.validate, metric=self.metric, images=images,
                show_progress=self.show_progress,
            )  # fmt: skip
        figure = next(iter(found.networks[0].figures))
        measured = [
            Measured(
                network.name, precision, ROUNDED if precision == BYTES and how in (AS_IT_IS, EXACT) else how,
                found.images, each.figures[figure], each.differences[figure],
                "" if out is None else f"{out.parent.name}/{out.name}",
            )
            for precision, each in zip(forms, found.networks[1:], strict=True)
        ]  # fmt: skip
        return Probed(tuple(measured), skipped, conversion.student)


def _check_removed(network: Network, conversion: Conversion) -> None:
    """
    Raises:
        ConfigError: other shortcuts are gone than were meant.
    """
    gone, meant = {outcome.add for outcome in conversion.removed}, set(network.removed)
    if gone != meant:
        listed = ", ".join(sorted(gone ^ meant))
        raise ConfigError(f"{network.name}: recipe {network.recipe} treated other shortcuts: {listed}")


def _forms(
    network: Network, conversion: Conversion, precisions: Sequence[Precision], place: Path
) -> tuple[dict[Precision, Any], tuple[Skipped, ...]]:
    """What computes the network in each precision, and why others are left out."""
    forms: dict[Precision, Any] = {}
    skipped = []
    for precision in precisions:
        if precision == SINGLE:
            forms[SINGLE] = conversion.student
        elif precision == BYTES and conversion.int8 is not None:
            forms[BYTES] = conversion.int8.save(place / "int8.onnx")
        elif precision == BYTES:
            skipped.append(Skipped(choice_key(network.name, BYTES), "the run folder holds no int8 file"))
        elif precision == HALF:
            half = _in_half(conversion.student, conversion.example)
            if isinstance(half, str):
                skipped.append(Skipped(choice_key(network.name, HALF), half))
            else:
                forms[HALF] = half
    return forms, tuple(skipped)


def _in_half(student: nn.Module, example: tuple[Tensor, ...]) -> nn.Module | str:
    """A copy that computes in float16 between inputs and outputs in float32; or why it can't be measured so."""
    half = deepcopy(student).half()
    half.register_forward_pre_hook(lambda module, inputs: _cast(inputs, torch.float16))
    half.register_forward_hook(lambda module, inputs, outputs: _cast(outputs, torch.get_default_dtype()))
    try:
        with torch.no_grad():
            outputs = half(*example)
    except Exception as error:  # torch lacks an operator in float16 here, and says so in many ways
        return f"torch can't compute it in float16 to measure it: {first_line(error)}"
    if not all(bool(torch.isfinite(x).all()) for x in tensors_in(outputs)):
        return "its outputs in float16 are not finite"
    return half


def _cast(values: Any, dtype: torch.dtype) -> Any:
    return tree_map(lambda x: x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x, values)

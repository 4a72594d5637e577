"""The report of a quantisation: what was tried, what was chosen and why, what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class LayerNoise:
    """A layer, its weight's name, and the SQNR of the outputs, in dB, with this layer alone quantised."""

    layer: str
    operator: str
    weight: str
    sqnr: float


@dataclass(frozen=True)
class Widened:
    """A layer whose diagonal was widened, and how many dB of its weights' noise that takes away."""

    layer: str
    gain: float


_MEASURES = {
    "accuracy": ("top class right", " %"),
    "validation_loss": ("validation loss", ""),
    "distance": ("distance from the teacher, on training images", ""),
}


@dataclass(frozen=True)
class Trial:
    """A calibrator on the images of the comparison: SQNR of the outputs (dB), agreement of the top class (per cent)."""

    calibrator: str
    sqnr: float
    agreement: float | None


@dataclass(frozen=True)
class TrainingReport:
    """A training with fake quantisation, and what it was worth.

    Args:
        measure: what the three figures are: ``accuracy`` (per cent), ``validation_loss``, or ``distance`` from the
            teacher on training images where there are none to validate with. Of the first more is better.
        float_network: of the float network that was quantised.
        rounded: of it in int8 by calibration and rounding alone.
        trained: of it in int8 after the training.
        kept: which of the two the file holds: the better one.
        history: a dict of numbers for each epoch.
    """

    measure: Literal["accuracy", "validation_loss", "distance"]
    float_network: float
    rounded: float
    trained: float
    kept: Literal["trained", "rounded"]
    history: tuple[dict[str, float], ...]

    @property
    def words(self) -> tuple[str, str, str, str]:
        """What was measured, and the three figures, for people."""
        what, unit = _MEASURES[self.measure]
        form = "{:.2f}" if unit else "{:.4g}"
        figures = (form.format(each) + unit for each in (self.float_network, self.rounded, self.trained))
        return (what, *figures)  # type: ignore[return-value]

    @property
    def verdict(self) -> str:
        """Which int8 network the file holds, and why."""
        if self.kept == "trained":
            return "the int8 file holds the trained network"
        return "training ended worse than rounding alone: the int8 file holds the rounded network"


@dataclass(frozen=True)
class QuantizationReport:
    """How a network was quantised. SQNR in dB, accuracy and agreement in per cent; None where there are no classes.

    ``compared`` is the number of images that calibrators and layers were compared on, ``validated`` that of the last
    five figures. ``layers``: each layer alone quantised, the worst first; empty where nobody asked. ``kept``: nodes
    left in float. ``held_out``: the images validated with were part of those given to calibrate, and not used there.
    ``training``: None where weights were rounded alone.
    """

    activations: str
    rounding: str
    calibrator: str
    trials: tuple[Trial, ...]
    layers: tuple[LayerNoise, ...]
    kept: tuple[str, ...]
    widened: tuple[Widened, ...]
    calibrated: int
    compared: int
    validated: int
    held_out: bool
    outputs: tuple[float, ...]
    sqnr: float
    agreement: float | None
    accuracy_before: float | None
    accuracy_after: float | None
    training: TrainingReport | None = None

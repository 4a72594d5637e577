"""The report of a quantisation: what was tried, what was chosen and why, what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.passes.quantize.layers import LayerNoise
from rdpass.passes.quantize.widen_diagonal import Widened


@dataclass(frozen=True)
class Trial:
    """A calibrator on the images of the comparison: SQNR of the outputs (dB), agreement of the top class (per cent)."""

    calibrator: str
    sqnr: float
    agreement: float | None


@dataclass(frozen=True)
class QuantizationReport:
    """How a network was quantised. SQNR in dB, accuracy and agreement in per cent; None where there are no classes.

    ``compared`` is the number of images that calibrators and layers were compared on, ``validated`` that of the last
    five figures. ``layers``: each layer alone quantised, the worst first; empty where nobody asked. ``kept``: nodes
    left in float. ``held_out``: the images validated with were part of those given to calibrate, and not used there.
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

"""Findings made up by hand: costs, figures and records that need no account and no training."""

from __future__ import annotations

from rdpass.core.estimates import Estimate
from rdpass.core.plan import Choice
from rdpass.fitting.limits import Limits
from rdpass.fitting.networks import Network
from rdpass.fitting.record import Fit, Measured

NETWORKS = (
    Network("as it is", "keep"),
    Network("exact", "carry", ("a",)),
    Network("plain", "auto", ("a", "b", "c"), trains=True),
    Network("some", "auto", ("a", "b"), trains=True),
)


def cost(network: str, precision: str, ms: float, peak: int = 1000, weights: int = 1000) -> Choice:
    return Choice(network, precision, ms, ms * 1e6, 0, peak, weights)  # type: ignore[arg-type]


COSTS = (
    cost("as it is", "float32", 40, 4000, 4000),
    cost("as it is", "int8", 20, 1000, 1000),
    cost("exact", "float32", 38, 4000, 5000),
    cost("plain", "float32", 30, 2000, 4000),
    cost("plain", "int8", 15, 500, 1000),
    cost("some", "float32", 32, 2500, 4000),
    cost("some", "int8", 16, 600, 1000),
)


def measured(network: str, precision: str, drop: float, how: str = "as it is", error: float | None = 0.1) -> Measured:
    figure, difference = Estimate(90 - drop, 1.0), Estimate(-drop, error)
    return Measured(network, precision, how, 100, figure, difference, f"points/{network}")  # type: ignore[arg-type]


def fit_of(limits: Limits, *found: Measured, probes: tuple[Measured, ...] = ()) -> Fit:
    return Fit(
        "rpi5", limits, networks=NETWORKS, costs=COSTS, figure="top-1", teacher=Estimate(90.0, 1.0), measured=found,
        probes=probes,
    )  # fmt: skip

"""Times of each call of a bundle's network, taken by its own runner here or on a board."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rdpass.core.call_plan import CallPlan
from rdpass.core.errors import ConfigError
from rdpass.deploy.bundle.benchmark import (
    TIMEOUT,
    Timing,
    check_figure,
    check_measurement,
    run_measured,
    timing_of,
    told_by,
)
from rdpass.deploy.bundle.manifest import Manifest, opened

RUNS = 100
MOST_RUNS = 10_000
"""The runner keeps the time of every call."""


@dataclass(frozen=True)
class Spread:
    """Milliseconds over all runs; percentiles by nearest rank."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    min_ms: float
    max_ms: float
    mean_ms: float


@dataclass(frozen=True)
class LayerTimes:
    """What a runner measured of a bundle.

    Args:
        manifest: of the bundle.
        plan: its calls.
        whole: of inferences without timers.
        timed: of inferences with a timer around each call.
        calls: of each call in order: when it began after the inference did (median, ms), and how long it took.
    """

    manifest: Manifest
    plan: CallPlan
    whole: Timing
    timed: Spread
    calls: tuple[tuple[float, Spread], ...]


def time_layers(
    folder: Path,
    *,
    runs: int = RUNS,
    threads: int | None = None,
    on: str | None = None,
    timeout: float = TIMEOUT,
    key: Path | None = None,
) -> LayerTimes:
    """Time each call of a bundle's network on this host (emulated, if it is for another CPU) or ``on`` a board.

    Raises:
        ConfigError: ``runs``, ``threads`` or ``timeout`` makes no sense, or the bundle is of an earlier version.
        IntegrityError, DeviceError, TargetError: as ``bench``.
    """
    check_measurement(runs, threads, timeout)
    if runs > MOST_RUNS:
        raise ConfigError(f"the runner keeps the time of every call: at most {MOST_RUNS} runs, not {runs}")
    with opened(folder, key=key) as (copy, manifest):
        if manifest.plan is None:
            raise ConfigError(f"{folder} was built by an earlier version, whose runner has no timers; compile it again")
        figures = run_measured(copy, manifest, "--profile", runs, threads, on, timeout)
    with told_by(figures):
        body = figures.body
        calls = tuple(_call(each) for each in body["calls"])
        _check_names(manifest.plan, [each["function"] for each in body["calls"]])
        whole = timing_of(figures, body["whole"])
        return LayerTimes(manifest, manifest.plan, whole, _spread(body["timed"]), calls)


def _call(body: dict[str, Any]) -> tuple[float, Spread]:
    check_figure("start_ms", body["start_ms"])
    return body["start_ms"], _spread({name: body[name] for name in body if name not in ("function", "start_ms")})


def _spread(body: dict[str, Any]) -> Spread:
    spread = Spread(**body)
    for field in fields(spread):
        check_figure(field.name, getattr(spread, field.name))
    return spread


def _check_names(plan: CallPlan, names: list[str]) -> None:
    """Refuse times of other calls than those planned. A runner without a runtime knows no names."""
    planned = [call.function for call in plan.calls]
    if len(names) != len(planned) or any(name not in ("", known) for name, known in zip(names, planned, strict=True)):
        raise ValueError("other calls than those that the manifest lists")

"""A profile made up by hand: three layers, of which one is TVM's and one a copy."""

from __future__ import annotations

from rdpass.core.call_plan import PlannedMap
from rdpass.deploy.bundle.benchmark import Timing
from rdpass.profiling.layers import Layer, Profile


def timing(least: float = 1.0, median: float = 1.0, high: float = 1.0, *, emulated: bool = False) -> Timing:
    return Timing("this host", emulated, "rpi4", 20, 3, 1, median, high, high, least, high, median, 5.0, 1 << 20, 0, 0)


def made_up(kernel: str = "f32_direct_k3x3", times: Timing | None = None, timed_ms: float = 1.05) -> Profile:
    layers = (
        Layer(0, kernel, "kernel", 0.01, 0.6, 0.7, 0.5, 0.75, 6 * 10**6, 10.0, 4000, 1000, "arithmetic", 0.8, 0.1),
        Layer(1, "fused_softmax", "fallback", 0.65, 0.2, 0.3, 0.1, 0.25, 0, 0.0, 2000, 0, "neither", 0.1, 0.2),
        Layer(2, "copy", "copy", 0.8, 0.0, 0.0, 0.0, 0.0, 0, 0.0, 64, 0, "short", None, None),
    )
    maps = (
        PlannedMap(0, 1024, 0, 1, "map"), PlannedMap(512, 256, 0, 0, "map"), PlannedMap(1024, 512, 1, 1, "scratch"),
        PlannedMap(2048, 64, 1, 2, "output"),
    )  # fmt: skip
    return Profile(times or timing(), "float32", timed_ms, layers, maps, 2112)

"""A profile as a trace that chrome://tracing, Perfetto and speedscope open.

The form is the "JSON Object Format" of Chrome's Trace Event Format: complete events (``X``), whose times are in
microseconds, counters (``C``) and names (``M``). It shows one inference of medians: each layer begins at its median
beginning and takes its median time, but ends where the next one begins at the latest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rdpass.profiling.layers import Profile

_PROCESS, _THREAD = 1, 1


def chrome_trace(profile: Profile, name: str) -> str:
    """The trace of ``profile`` as JSON; ``name``: the bundle's."""
    events = [*_names(name, profile), *_layers(profile), *_memory(profile)]
    return json.dumps({"traceEvents": events, "displayTimeUnit": "ms"}, indent=1, allow_nan=False) + "\n"


def _event(kind: str, name: str, at: float = 0.0, **more: Any) -> dict[str, Any]:
    return {"ph": kind, "name": name, "pid": _PROCESS, "tid": _THREAD, "ts": round(1e3 * at, 3), **more}


def _names(name: str, profile: Profile) -> Iterator[dict[str, Any]]:
    timing = profile.timing
    emulated = ", emulated" if timing.emulated else ""
    yield _event("M", "process_name", args={"name": f"{name} ({timing.target}) on {timing.where}{emulated}"})
    yield _event("M", "thread_name", args={"name": f"medians of {timing.runs} inferences under timers"})


def _layers(profile: Profile) -> Iterator[dict[str, Any]]:
    layers = profile.layers
    starts = [layer.start_ms for layer in layers]
    end = max([profile.timed_ms, *(layer.start_ms for layer in layers)])
    yield _event("X", "inference", 0.0, cat="inference", dur=round(1e3 * end, 3), args={})
    for layer, until in zip(layers, [*starts[1:], end], strict=True):
        took = max(0.0, min(layer.ms, until - layer.start_ms))
        details = {"index": layer.index, "operations": layer.operations, "gops": layer.gops, "bytes": layer.bytes,
                   "weights": layer.weights, "bound (estimated)": layer.bound}  # fmt: skip
        yield _event("X", layer.kernel, layer.start_ms, cat=layer.kind, dur=round(1e3 * took, 3), args=details)


def _memory(profile: Profile) -> Iterator[dict[str, Any]]:
    for layer in profile.layers:
        yield _event("C", "planned memory in use", layer.start_ms, args={"bytes": profile.in_use(layer.index)})

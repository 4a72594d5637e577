"""``profile``: where the time of a bundle goes, layer by layer, and what lies in its memory meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rdpass.core.call_plan import COPY, PlannedCall, PlannedMap
from rdpass.core.numeric_types import BYTES, Precision
from rdpass.deploy.bundle.benchmark import TIMEOUT, Timing
from rdpass.deploy.bundle.layer_times import RUNS, LayerTimes, Spread, time_layers
from rdpass.deploy.bundle.verification import target_of
from rdpass.profiling.bounds import Bound, BoundKind, Machine, bound_of

SLOWED = 1.1
"""Time with timers over time without, above which the timers themselves are a good part of what they say."""


@dataclass(frozen=True)
class Layer:
    """One call of a function in an inference.

    Args:
        index: its place, from 0.
        kernel: the function's name; a kernel's says types, operation and shapes.
        kind: "kernel" (of ours), "fallback" (TVM's own lowering) or "copy".
        start_ms: from the beginning of the inference, median.
        ms: how long it took, median.
        p95_ms: 95th percentile.
        min_ms: the shortest.
        share: of the sum of all layers' medians.
        operations: arithmetic operations, two for each multiply-accumulate of the layer.
        gops: operations in 1e9 a second, by the median; 0 where it was too short to time.
        bytes: of all tensors that it takes and gives, each once, without scratch.
        weights: bytes of these that are constants.
        bound: by what it is bound, estimated.
        arithmetic: share of the peak of arithmetic that it reached, estimated; None where that is not known.
        memory: share of the memory's bandwidth, likewise.

    Example:
        >>> import rdpass
        >>> layer = rdpass.profile("student.rdp", runs=5).layers[0]
        >>> layer.index, layer.min_ms <= layer.ms <= layer.p95_ms, layer.weights <= layer.bytes
        (0, True, True)
    """

    index: int
    kernel: str
    kind: Literal["kernel", "fallback", "copy"]
    start_ms: float
    ms: float
    p95_ms: float
    min_ms: float
    share: float
    operations: int
    gops: float
    bytes: int
    weights: int
    bound: BoundKind
    arithmetic: float | None
    memory: float | None

    @property
    def bound_words(self) -> str:
        """By what it is bound, for people: the share of the peak that it reached."""
        if self.arithmetic is None or self.memory is None:
            return ""
        match self.bound:
            case "arithmetic":
                return f"arithmetic, {self.arithmetic:.0%} of peak"
            case "memory":
                return f"memory, {self.memory:.0%} of bandwidth"
            case _:
                return f"{self.bound} ({self.arithmetic:.0%} of peak, {self.memory:.0%} of bandwidth)"


@dataclass(frozen=True)
class Profile:
    """Where the time of a bundle's inferences goes, as ``profile`` returns it.

    Args:
        timing: of whole inferences without timers.
        precision: the numbers that the network computes in.
        timed_ms: a whole inference with timers, median.
        layers: the calls in order.
        maps: what lies where in the planned memory, and from which call to which.
        memory_bytes: the planned memory.

    Example:
        >>> import rdpass
        >>> profile = rdpass.profile("student.rdp", runs=5, threads=1)
        >>> profile.timing.runs, abs(sum(layer.share for layer in profile.layers) - 1) < 1e-6
        (5, True)
    """

    timing: Timing
    precision: Precision
    timed_ms: float
    layers: tuple[Layer, ...]
    maps: tuple[PlannedMap, ...]
    memory_bytes: int

    @property
    def layers_ms(self) -> float:
        """The sum of all layers' medians."""
        return sum(layer.ms for layer in self.layers)

    @property
    def other_ms(self) -> float:
        """What an inference without timers takes beside its layers: calls, allocations, copies of outputs. It is below
        0 where timers cost more than that."""
        return self.timing.p50_ms - self.layers_ms

    @property
    def is_slowed(self) -> bool:
        """Whether timers made inferences so slow that short layers look longer than they are."""
        return self.timed_ms > SLOWED * self.timing.p50_ms

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of how far the times are to be believed."""
        notes = []
        timing = self.timing
        if timing.is_noisy:
            notes.append(
                f"Not to be believed: from {timing.min_ms:.3f} ms over {timing.p50_ms:.3f} ms (median) to"
                f" {timing.p95_ms:.3f} ms (95th percentile) whole inferences differ too much. Something else uses the"
                " machine, or its clock moves; measure again when it is quiet."
            )
        if self.is_slowed:
            notes.append(
                f"Timers cost much here: {self.timed_ms:.3f} ms with them, {timing.p50_ms:.3f} ms without. Short layers"
                " look longer than they are."
            )
        if timing.emulated:
            notes.append(
                "Under an emulator: these times mean nothing, on no board; --on USER@BOARD measures one. Layers,"
                " operations, bytes and the map of memory are those of the board."
            )
        return tuple(notes)

    def in_use(self, call: int) -> int:
        """Bytes of the planned memory that are in use during a call; what lies within another map counts once."""
        alive = [each for each in self.maps if each.first <= call <= each.last]
        ends = sorted((each.offset, each.offset + each.bytes) for each in alive)
        total, reached = 0, 0
        for start, end in ends:
            total += max(0, end - max(start, reached))
            reached = max(reached, end)
        return total


def profile(
    folder: str | Path,
    *,
    runs: int = RUNS,
    threads: int | None = None,
    on: str | None = None,
    timeout: float = TIMEOUT,
    key: str | Path | None = None,
) -> Profile:
    """Time each layer of a bundle on this host (emulated, if it is for another CPU), or ``on`` a board.

    The bundle's own runner times whole inferences first, then as many with a timer around each call, and compares the
    outputs of both. A board is reached over ssh; it gets a copy of the bundle in a temporary folder, which it removes
    whatever happens.

    Args:
        folder: the bundle.
        runs: inferences to time, without timers and again with them; at most 10000.
        threads: of the runtime; None for its own choice.
        on: ``USER@BOARD``, as ssh takes it; None for this host.
        timeout: seconds that a board may take, the copying aside.
        key: a public key (PEM), by whose private one the bundle has to be signed; None asks for no signature.

    Returns:
        Layers with their times in milliseconds, and the map of memory in bytes.

    Raises:
        ConfigError: ``runs``, ``threads`` or ``timeout`` makes no sense, or the bundle is of an earlier version, whose
            runner has no timers.
        IntegrityError: a byte of the bundle has changed, or it is for another CPU.
        DeviceError: the board can't be reached or was not done in time, or the runner failed.
        TargetError: it is for another CPU, and there is no emulator for that.

    Example:
        >>> import rdpass
        >>> profile = rdpass.profile("student.rdp", runs=5)
        >>> {layer.kind for layer in profile.layers} <= {"kernel", "fallback", "copy"}
        True
    """
    path, public = Path(folder), None if key is None else Path(key)
    return profile_of(time_layers(path, runs=runs, threads=threads, on=on, timeout=timeout, key=public))


def profile_of(times: LayerTimes) -> Profile:
    """The profile that a runner's times and the bundle's manifest make."""
    manifest, plan = times.manifest, times.plan
    target = target_of(manifest)
    chosen = times.whole.threads or (1 if manifest.runtime == "none" else target.cores)
    kept = manifest.constants["packed"] + plan.bytes <= target.last_cache_bytes
    machine = Machine(target, min(chosen, target.cores), kept)
    own = {kernel["name"] for kernel in manifest.kernels}
    total = sum(spread.p50_ms for _, spread in times.calls) or 1.0
    layers = []
    for index, (call, (start, spread)) in enumerate(zip(plan.calls, times.calls, strict=True)):
        bound = Bound("unknown") if times.whole.emulated else bound_of(call, spread.p50_ms, machine)
        layers.append(_layer(index, call, start, spread, spread.p50_ms / total, call.function in own, bound))
    timed = times.timed.p50_ms
    return Profile(times.whole, manifest.precision, timed, tuple(layers), plan.maps, plan.bytes)


def _layer(
    index: int, call: PlannedCall, start: float, spread: Spread, share: float, is_own: bool, bound: Bound
) -> Layer:
    kind: Literal["kernel", "fallback", "copy"] = "kernel" if is_own else "fallback"
    gops = call.operations / spread.p50_ms / 1e6 if spread.p50_ms > 0 else 0.0
    kind = "copy" if call.function == COPY else kind
    return Layer(
        index, call.function, kind, start, spread.p50_ms, spread.p95_ms, spread.min_ms, share, call.operations, gops,
        call.bytes, call.weights, bound.kind, bound.arithmetic, bound.memory,
    )  # fmt: skip


def slowest(layers: Sequence[Layer]) -> list[Layer]:
    """Those that take most time first."""
    return sorted(layers, key=lambda layer: (-layer.ms, layer.index))


def unit_of(precision: Precision) -> str:
    """The unit of operations a second."""
    return "GOP/s" if precision == BYTES else "GFLOP/s"


def words_of(found: Profile) -> tuple[tuple[str, float], ...]:
    """The sum of the layers beside whole inferences: words and milliseconds."""
    return (
        ("all layers", found.layers_ms),
        ("whole inference, layers timed", found.timed_ms),
        ("whole inference, nothing else timed", found.timing.p50_ms),
        ("of it beside layers", found.other_ms),
    )

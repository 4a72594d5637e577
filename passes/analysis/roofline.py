"""Estimated latency from a roofline (Williams, Waterman, Patterson, 2009): a range whose ends are both arithmetic.

Per kernel, with R multiply-accumulates a second of the cores used and B bytes a second of DRAM:

1. *Low*: max(M'/R, D'/B). M' counts dense layers by minimal filtering (see ``macs``), every multiplier is busy,
   and memory works behind it. D' is what must come from DRAM: weights, unless all weights and the peak of activations
   fit into the last cache together, and the kernel's activations if they exceed that cache. No implementation of these
   algorithms can be faster.
2. *High*: M/(e R) + D/B. Direct convolution at a share e of the peak, every byte of weights and activations moved, and
   nothing overlaps. e = 0.6 for dense layers, 0.2 for grouped and depthwise ones.

R = cores × clock × multiply-accumulates a cycle, for the high end with 0.7 of every core but the first. The figures of
a target are approximate themselves. The range is an estimate, not a measurement, and a slow implementation lies above
it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdpass.core.errors import TargetError
from rdpass.core.plan import Latency
from rdpass.passes.analysis.cost import FusionVariants
from rdpass.passes.analysis.memory.fused_schedule import FusedSchedule
from rdpass.passes.analysis.memory.fusion_groups import Step
from rdpass.targets.lookup import Target

DENSE_SHARE = 0.6
GROUPED_SHARE = 0.2
FURTHER_CORE_SHARE = 0.7


def latencies(target: Target, model: FusionVariants, plain: FusionVariants) -> tuple[Latency, ...]:
    """A range for each variant of model and plain net, on one core and on all.

    Raises:
        TargetError: the target lacks a figure that the estimate needs.
    """
    if not (target.peak_macs_per_second and target.dram_gbps):
        raise TargetError(
            f"target {target.name} has no clock_ghz, macs_per_cycle or dram_gbps to estimate latency from"
        )
    variants = {
        "model, adds fused": model.fused,
        "model, tiled": model.tiled,
        "plain": plain.fused,
        "plain, tiled": plain.tiled,
    }
    counts = sorted({1, target.cores})
    return tuple(_latency(name, fused, target, cores) for name, fused in variants.items() for cores in counts)


def _latency(name: str, fused: FusedSchedule, target: Target, cores: int) -> Latency:
    low = sum(_lows(fused, target, cores))
    high = sum(_high(step, target, cores) for step in fused.steps)
    return Latency(name, cores, round(1e3 * low, 6), round(1e3 * high, 6))


def _lows(fused: FusedSchedule, target: Target, cores: int) -> Sequence[float]:
    """Seconds of each kernel at the low end."""
    cached = sum(step.weight_bytes for step in fused.steps) + fused.schedule.peak <= target.last_cache_bytes
    rate, bandwidth = cores * target.peak_macs_per_second, target.dram_gbps * 1e9
    return [
        max(step.fast_macs / rate, _compulsory_bytes(step, target.last_cache_bytes, cached) / bandwidth)
        for step in fused.steps
    ]


def _compulsory_bytes(step: Step, cache: int, weights_cached: bool) -> int:
    activations = step.read_bytes + step.bytes
    return (0 if weights_cached else step.weight_bytes) + (activations if activations > cache else 0)


def _high(step: Step, target: Target, cores: int) -> float:
    rate = (1 + FURTHER_CORE_SHARE * (cores - 1)) * target.peak_macs_per_second
    share = GROUPED_SHARE if step.kind == "grouped_conv" else DENSE_SHARE
    moved = step.weight_bytes + step.read_bytes + step.bytes
    return step.macs / (share * rate) + moved / (target.dram_gbps * 1e9)

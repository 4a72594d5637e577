"""A plan as the JSON document that ``rdpass/schemas/inspect-1.schema.json`` describes."""

from __future__ import annotations

from dataclasses import asdict

from rdpass.core.plan import BlockCost, Cost, Estimated, Memory, Plan, Region, Worth

SCHEMA_VERSION = 1
"""Raised when a field goes or changes its meaning; new fields may come without."""


def plan_as_json(plan: Plan) -> dict[str, object]:
    """``adds`` (their number), ``regions``, ``skipped`` and ``forecast``. Bytes are bytes, latencies milliseconds."""
    blocks = {block.add: block for block in plan.forecast.blocks}
    return {
        "schema_version": SCHEMA_VERSION,
        "adds": len(plan.regions) + len(plan.skipped),
        "regions": [_region(region, blocks[region.add]) for region in plan.regions],
        "skipped": [asdict(skipped) for skipped in plan.skipped],
        "forecast": {
            "model": _cost(plan.forecast.model),
            "plain": _cost(plan.forecast.plain),
            "verdict": plan.forecast.verdict,
            "target": plan.forecast.target,
            "latency": [asdict(latency) for latency in plan.forecast.latency],
            "worth": None if plan.forecast.worth is None else choices_json(plan.forecast.worth),
        },
    }


def _region(region: Region, block: BlockCost) -> dict[str, object]:
    held = {"bytes": block.held_bytes, "kernels": block.held_kernels, "at_peak_bytes": block.at_peak_bytes}
    exact = {"recipe": block.recipe, "extra_macs": block.extra_macs, "reason": block.exact_reason}
    return {**asdict(region), "held": held, "exact": exact}


def choices_json(found: Worth | Estimated) -> dict[str, object]:
    """Its fields; those of what was skipped are the choice and the reason."""
    skipped = [{"choice": each.add, "reason": each.reason} for each in found.skipped]
    return {**asdict(found), "skipped": skipped}


def _cost(cost: Cost) -> dict[str, object]:
    ways = {"separate": cost.separate, "fused": cost.fused, "tiled": cost.tiled}
    return {"macs": cost.macs, "parameters": cost.parameters, **{name: _memory(way) for name, way in ways.items()}}


def _memory(memory: Memory) -> dict[str, object]:
    return {**asdict(memory), "traffic_bytes": memory.traffic_bytes}

"""``inspect``: what a model's adds are and what their removal would gain, read without changing anything."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from rdpass.capture.trace import Example, trace
from rdpass.core.errors import ConfigError
from rdpass.core.files import new_file
from rdpass.core.places import check_free
from rdpass.core.plan import BlockCost, Forecast, Plan, Region, Skipped, Traced, Worth
from rdpass.passes.analysis.cost import FusionVariants, fusion_variants_of
from rdpass.passes.analysis.memory.held_bytes import held_bytes
from rdpass.passes.analysis.roofline import latencies
from rdpass.passes.analysis.shortcuts.census import is_named, take_census
from rdpass.profiling.account.choices import estimate_choices
from rdpass.recipes.pricing import price
from rdpass.report.drawing.page import draw
from rdpass.report.verdict import verdict
from rdpass.report.worth import worth as judge_worth
from rdpass.targets.boards import DEFAULT_BOARD
from rdpass.targets.lookup import Target, find_target


def inspect(
    model: nn.Module,
    example: Example = None,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    leaf: Sequence[str] = (),
    target: str | Target | None = None,
    svg: str | Path | None = None,
    force: bool = False,
    worth: bool = False,
    show_progress: bool = True,
) -> Plan:
    """Every add of ``model`` with its verdict, and a forecast. The model is copied, never run or changed.

    Args:
        model: any module.
        example: a tensor or tuple as the model takes it, the batch in axis 0; batch size 1 gives figures per inference.
        only: globs on the adds' node names, or on paths of modules that they lie in, to select regions.
        skip: such globs for regions to leave out.
        leaf: globs on the paths of submodules to keep whole where tracing can't follow them.
        target: a name that ``rdpass targets`` lists, or a target of one's own, for an estimated range of latency.
        svg: a file to draw the network into, with the bytes live at every kernel beside it.
        force: replace what lies there.
        worth: estimate in milliseconds and megabytes what the model costs as it is and without shortcuts, from the
            kernels that would be compiled for ``target`` (``rpi4`` if none is given), and whether removal pays:
            ``plan.forecast.worth``. Takes seconds, for a large network half a minute.
        show_progress: show on stderr how far that estimate is.

    Returns:
        The plan; sizes are in bytes, latencies in milliseconds.

    Raises:
        ConfigError: not a module, the example does not fit, a glob names nothing, or the drawing's place can't be used.
        TraceError: it can't be turned into a graph.
        TargetError: no target has that name.

    Source: the bound of the latency is a roofline; docs/inspect.md says what is counted.

    Example:
        >>> import rdpass
        >>> for region in rdpass.inspect(model, example, target="rpi4").regions:
        ...     print(region.add, region.kind, region.verdict, region.reason)
        add identity removable around 2 layers
        add_1 projection removable around 2 layers
    """
    if svg is not None:
        check_free(Path(svg), force)
    if target is None and worth:
        target = DEFAULT_BOARD
    board = find_target(target) if isinstance(target, str) else target
    traced = trace(model, example, leaf)
    plan, variants = _planned(traced, tuple(only), tuple(skip), board)
    if svg is not None:
        with new_file(Path(svg), force) as path:
            path.write_text(draw(traced.module, plan, *variants, title=type(model).__name__), encoding="utf-8")
    judged = _worth(traced, plan, board, show_progress) if worth and board is not None else None
    return replace(plan, forecast=replace(plan.forecast, blocks=_priced(plan, traced), worth=judged))


def plan_of(traced: Traced, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> Plan:
    """The plan of a graph that is traced already, exact recipes not priced."""
    return _planned(traced, only, skip, None)[0]


def _planned(
    traced: Traced, only: tuple[str, ...], skip: tuple[str, ...], target: Target | None
) -> tuple[Plan, tuple[FusionVariants, FusionVariants]]:
    """The plan, and what it was summed up from: the schedules of the model and of its plain student."""
    regions, skipped = take_census(traced, only, skip)
    _check_named((*only, *skip), regions, skipped)
    removable = [region for region in regions if region.verdict == "removable"]
    model = fusion_variants_of(traced.module)
    plain = fusion_variants_of(traced.module, removable) if removable else model
    forecast = Forecast(
        model=model.cost,
        plain=plain.cost,
        blocks=_blocks(model, regions),
        verdict=verdict(model.cost, plain.cost, len(removable), len(regions) - len(removable)),
        target=target.name if target else None,
        latency=latencies(target, model, plain) if target else (),
    )
    return Plan(regions, skipped, forecast), (model, plain)


def _check_named(globs: tuple[str, ...], regions: tuple[Region, ...], skipped: tuple[Skipped, ...]) -> None:
    """Refuse a glob that names nothing, for it is mistyped; ``*`` names all there is, be it none."""
    adds = [other.add for other in skipped]
    for glob in globs:
        named = any(is_named(region, (glob,)) for region in regions) or fnmatch.filter(adds, glob)
        if not named and glob != "*":
            raise ConfigError(f"{glob!r} names no add and no module with one; rdpass inspect lists both")


def _blocks(model: FusionVariants, regions: tuple[Region, ...]) -> tuple[BlockCost, ...]:
    live = model.fused.schedule.live
    peak_at = live.index(max(live)) if live else 0
    return tuple(
        BlockCost(held.add, held.most, len(held.bytes_at), held.bytes_at.get(peak_at, 0), None, 0, "not priced")
        for held in held_bytes(model.inference, model.fused, regions)
    )


def _worth(traced: Traced, plan: Plan, board: Target, show_progress: bool) -> Worth:
    choices, skipped = estimate_choices(traced, plan.removable, board, show_progress)
    return judge_worth(board.name, choices, skipped)


def _priced(plan: Plan, traced: Traced) -> tuple[BlockCost, ...]:
    prices = price(traced, plan.regions)
    return tuple(
        replace(block, recipe=given.recipe, extra_macs=given.extra_macs, exact_reason=given.reason)
        for block in plan.forecast.blocks
        for given in (prices[block.add],)
    )

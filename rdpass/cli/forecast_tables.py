"""A plan as tables: the adds, what each shortcut costs, the network with and without them, and the latency."""

from __future__ import annotations

from collections.abc import Iterator

from rich.markup import escape

from rdpass.cli.tables import print_table, say, size
from rdpass.core.plan import BlockCost, Choice, Cost, Estimated, Forecast, Latency, Memory, Plan, Region, Worth
from rdpass.core.printable import three_figures
from rdpass.report.worth import choice_name

Row = tuple[str, ...]


def print_plan(plan: Plan) -> None:
    """Every add with its verdict, then the forecast, and what it amounts to in words."""
    if plan.regions or plan.skipped:
        print_table(("add", "module", "verdict", "kind", "shape", ">map", "reason"), _add_rows(plan))
    if plan.regions:
        columns = (
            "shortcut",
            ">holds",
            ">for kernels",
            ">at the peak",
            "exact recipe",
            "its cost, or why there is none",
        )
        print_table(columns, (_block_row(block) for block in plan.forecast.blocks))
    _print_forecast(plan)
    if plan.forecast.latency:
        _print_latency(plan.forecast)
    if plan.forecast.worth is None:
        say(plan.forecast.verdict)
    else:
        print_worth(plan.forecast.worth)


def print_worth(worth: Worth) -> None:
    """The cost of each choice, why others have none, and the verdict."""
    print_choices(worth)
    say(worth.verdict, worth.gains)


def print_choices(found: Worth | Estimated) -> None:
    """The cost of each choice, and why others have none."""
    sizes = ">peak", ">weights", ">library", ">resident", ">read from memory"
    columns = (f"one core of {found.target}, estimated", ">ms", *sizes)
    print_table(columns, (_choice_row(choice) for choice in found.choices))
    for skipped in found.skipped:
        say(f"{skipped.add}: not estimated: {skipped.reason}")


def _choice_row(choice: Choice) -> Row:
    sizes = choice.peak_bytes, choice.weight_bytes, choice.library_bytes, choice.resident_bytes, choice.dram_bytes
    return (choice_name(choice), three_figures(choice.ms), *map(size, sizes))


def _add_rows(plan: Plan) -> Iterator[Row]:
    for region in plan.regions:
        yield _region_row(region)
    for skipped in plan.skipped:
        yield (skipped.add, "", "[dim]not residual[/]", "", "", "", escape(skipped.reason))


def _region_row(region: Region) -> Row:
    colour = "green" if region.verdict == "removable" else "yellow"
    shape = "x".join(map(str, region.shape))
    verdict = f"[{colour}]{region.verdict}[/]"
    return (region.add, escape(region.path), verdict, region.kind, shape, size(region.bytes), escape(region.reason))


def _block_row(block: BlockCost) -> Row:
    return (
        block.add,
        size(block.held_bytes) if block.held_bytes else "nothing",
        str(block.held_kernels) if block.held_kernels else "",
        size(block.at_peak_bytes) if block.at_peak_bytes else "",
        block.recipe or "[dim]none[/]",
        escape(block.exact_reason),
    )


def _print_forecast(plan: Plan) -> None:
    forecast, left = plan.forecast, len(plan.regions) - len(plan.removable)
    print_table(
        ("forecast", ">as it is", ">strictly plain"),
        [
            ("residual adds", str(len(plan.regions)), str(left)),
            ("MACs", _counted(forecast.model.macs), _counted(forecast.plain.macs)),
            ("parameters", _counted(forecast.model.parameters), _counted(forecast.plain.parameters)),
            ("sum of feature maps", size(forecast.model.feature_bytes), size(forecast.plain.feature_bytes)),
        ],
    )
    columns = ("activations", ">peak, as it is", ">strictly plain", ">traffic, as it is", ">strictly plain")
    print_table(columns, _memory_rows(forecast.model, forecast.plain))


def _memory_rows(model: Cost, plain: Cost) -> Iterator[Row]:
    """One row a way of fusing."""
    for name, before, after in (
        ("adds separate", model.separate, plain.separate),
        ("adds fused, in place", model.fused, plain.fused),
        ("stem + pool and 1x1 pairs tiled too", model.tiled, plain.tiled),
    ):
        yield (name, _peak(before), _peak(after), size(before.traffic_bytes), size(after.traffic_bytes))


def _peak(memory: Memory) -> str:
    """A peak, and where its schedule is not known to be optimal, the bound that it can't be below."""
    if memory.schedule == "optimal":
        return size(memory.peak_bytes)
    return f"{size(memory.peak_bytes)} (greedy; optimum at least {size(memory.at_least_bytes)})"


def _print_latency(forecast: Forecast) -> None:
    counts = sorted({latency.threads for latency in forecast.latency})
    found = {(latency.variant, latency.threads): latency for latency in forecast.latency}
    names = list(dict.fromkeys(latency.variant for latency in forecast.latency))
    cores = [f">{count} core{'s' if count > 1 else ''}" for count in counts]
    print_table(
        (f"estimated ms on {forecast.target}", *cores),
        [(name, *(_range(found[name, n]) for n in counts)) for name in names],
    )
    say(
        "Roofline estimate, not a measurement. Low: every multiplier busy, Winograd, memory hidden behind it. High:"
        " direct convolution at 0.6 of the peak (grouped 0.2), nothing hidden."
    )


def _range(latency: Latency) -> str:
    """Both ends to three figures, without an exponent: 496 to 1190."""
    return " to ".join(map(three_figures, (latency.low_ms, latency.high_ms)))


def _counted(count: int) -> str:
    """4.089 G, 25.56 M, 272.2 k."""
    if count >= 10**9:
        return f"{count / 1e9:.3f} G"
    return f"{count / 1e6:.2f} M" if count >= 10**6 else f"{count / 1e3:.1f} k"

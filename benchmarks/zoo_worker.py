"""One model of the zoo: built, given the smallest input it takes, traced, counted, and counted again as a student."""

from __future__ import annotations

import re
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.zoo_models import Entry, build
from rdpass.capture.trace import trace
from rdpass.core.errors import RdpassError
from rdpass.core.plan import Region, Skipped, Traced
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.graph.annotate import annotate

SIZES = (64, 96, 128, 160, 192, 224, 256)


@dataclass(frozen=True)
class Row:
    """What the sweep found. ``outcome``: traced, refused (``reason`` says why) or crashed (it holds the traceback).

    ``kinds`` counts the regions by kind, ``skipped`` the other adds by their reason with names and numbers left out,
    ``left`` the removable regions that a second census finds once all removable ones are gone.
    """

    model: str
    file: str
    outcome: str
    reason: str = ""
    input: str = ""
    tracer: str = ""
    nodes: int = 0
    adds: int = 0
    removable: int = 0
    kept: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    left: int = 0
    error: float = 0.0
    seconds: float = 0.0


def inspect_entry(entry: Entry) -> dict[str, Any]:
    """The row of one architecture. Nothing is raised: what can't be done is in the row."""
    start = time.process_time()
    found: dict[str, Any]
    try:
        found = _inspect(build(entry))
    except RdpassError as error:
        found = {"outcome": "refused", "reason": str(error)}
    except Exception:
        found = {"outcome": "crashed", "reason": traceback.format_exc()[-2000:]}
    return asdict(Row(entry.spec, entry.file, seconds=round(time.process_time() - start, 2), **found))


def _inspect(model: nn.Module) -> dict[str, Any]:
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    example = _smallest_input(model)
    if example is None:
        return {"outcome": "refused", "reason": "takes no image of its own or usual size"}
    traced = trace(model, example)
    regions, skipped = take_census(traced)
    return {
        "outcome": "traced",
        "input": "x".join(map(str, example.shape)),
        "tracer": traced.tracer,
        "nodes": len(traced.module.graph.nodes),
        "adds": len(regions) + len(skipped),
        "removable": sum(region.verdict == "removable" for region in regions),
        "kept": sum(region.verdict == "kept" for region in regions),
        "kinds": dict(sorted(Counter(region.kind for region in regions).items())),
        "skipped": dict(Counter(_form(other) for other in skipped).most_common()),
        "left": _left(traced, regions),
        "error": traced.gates[0].error,
    }


def _left(traced: Traced, regions: tuple[Region, ...]) -> int:
    """The removable regions in the graph without those that were found."""
    removable = [region for region in regions if region.verdict == "removable"]
    student = remove_shortcuts(traced.module, removable)
    annotate(student, traced.example)
    return sum(region.verdict == "removable" for region in take_census(Traced(student, traced.example))[0])


def _form(skipped: Skipped) -> str:
    reason = re.sub(r"\(\d[\d, ]*\)", "…", skipped.reason)
    for end in ("is a constant", "is broadcast", "is also used", "lies below"):
        if end in reason:
            return reason[reason.index(end) :].split(" by ")[0].split(" from ")[0]
    reason = re.sub(r"use \w+$", "use one node", reason)
    return re.sub(r"[:(] *\w+(\.\w+)* is on the lighter one", "", reason).strip()


def _smallest_input(model: nn.Module) -> Tensor | None:
    for size in _sizes(model):
        x = torch.randn(1, _channels(model), *size, generator=torch.Generator().manual_seed(0))
        try:
            with torch.no_grad():
                model(x)
        except Exception:  # each library has its own way of refusing a size
            continue
        return x
    return None


def _sizes(model: nn.Module) -> Iterator[tuple[int, int]]:
    """Ascending; the architecture's own size after the usual ones, or alone where it says so."""
    own = tuple(getattr(model, "default_cfg", {}).get("input_size", (0, 0, 0))[1:])
    fixed = getattr(model, "default_cfg", {}).get("fixed_input_size", False)
    if not fixed:
        yield from ((size, size) for size in SIZES)
    if own and own[0]:
        yield own
    size = getattr(model, "in_size", None) or getattr(model, "image_size", None)
    if isinstance(size, tuple):
        yield size
    yield (384, 384)


def _channels(model: nn.Module) -> int:
    own = getattr(model, "default_cfg", {}).get("input_size")
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    return int(own[0]) if own else first.in_channels if first is not None and first.in_channels < 4 else 3

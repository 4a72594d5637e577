"""Estimate what removal, pruning and precision save together, at real scale: ResNet-50 at 224 px, random weights.

    python benchmarks/real_scale.py
    python benchmarks/real_scale.py --target rpi5 --share 0.5 --json
    python benchmarks/real_scale.py --plot real-scale.svg

The network as it is, plain, pruned, and pruned and plain, in each precision that a board's core computes in, by the
account of the kernels that would be compiled: nothing is trained, built or run. Costs need no accuracy, and these
networks have none; docs/worth-it.md says what to make of the figures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, product
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch.fx import GraphModule

from benchmarks.networks import architecture, with_random_weights
from rdpass.capture.trace import trace
from rdpass.cli.tables import print_table, size
from rdpass.core.errors import RdpassError
from rdpass.core.numeric_types import Precision
from rdpass.core.plan import Choice, Traced
from rdpass.core.printable import three_figures
from rdpass.kernels.builder.function import written_once
from rdpass.onnx.export import draft_onnx
from rdpass.onnx.source import OnnxSource, read_onnx
from rdpass.passes.analysis.cost import macs_of
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.prune.pruning import prune
from rdpass.profiling.account.choices import AS_IT_IS, PLAIN, as_precision, estimate, precisions_of
from rdpass.recipes.preparation import prepared_teacher
from rdpass.report.drawing.svg import document, element, group, text, title
from rdpass.targets.isa import BYTE_BLOCK
from rdpass.targets.lookup import find_target

NETWORK, SIDE, SHARE = "resnet50", 224, 0.3
BOARDS = ("rpi4", "rpi5")
PRUNED, BOTH = "pruned", "pruned and plain"


@dataclass(frozen=True)
class Row:
    """What one network costs in one precision on one core of a board."""

    target: str
    macs: int
    cost: Choice


def networks(traced: Traced, share: float) -> dict[str, GraphModule]:
    """The network as it is, plain, without ``share`` of its multiply-accumulates, and without these and plain.

    Weights of the least magnitude leave. Widths fill the kernels' blocks in every precision.
    """
    narrow = prune(prepared_teacher(traced), share, multiple=BYTE_BLOCK).traced
    return {AS_IT_IS: traced.module, PLAIN: _plain(traced), PRUNED: narrow.module, BOTH: _plain(narrow)}


def _plain(traced: Traced) -> GraphModule:
    regions, _ = take_census(traced)
    return remove_shortcuts(traced.module, [region for region in regions if region.verdict == "removable"])


def rows(graphs: Mapping[str, GraphModule], traced: Traced, targets: Sequence[str]) -> Iterator[Row]:
    """A row for each network, precision and board whose core computes so.

    Raises:
        RdpassError: a network can't be estimated.
    """
    sources = {name: read_onnx(draft_onnx(graph, traced.example)) for name, graph in graphs.items()}
    made: dict[tuple[str, Precision], OnnxSource] = {}
    with written_once():
        for target in map(find_target, targets):
            for name, precision in product(graphs, precisions_of(target)):
                if (name, precision) not in made:
                    made[name, precision] = as_precision(sources[name], precision)
                cost = estimate(name, made[name, precision], target, precision)
                yield Row(target.name, macs_of(graphs[name]), cost)


_COLOURS = {AS_IT_IS: "#9aa3ad", PLAIN: "#1f7a34", PRUNED: "#1f6fb5", BOTH: "#b5561f"}
_BAR, _GAP = 11.0, 12.0
_LEFT, _COLUMN, _LABEL = 110.0, 250.0, 80.0


def plot(found: Sequence[Row]) -> str:
    """An SVG: for each board and precision a bar of time and a bar of peak memory for each network.

    Lengths are shares of the most that any row of the same board takes.
    """
    pieces, y = [_legend(), *_headings()], 50.0
    for (target, precision), alike in groupby(_grouped(found), key=lambda row: (row.target, row.cost.precision)):
        board = [row for row in found if row.target == target]
        pieces.append(text(_LEFT - 8, y + 2.2 * _BAR, f"{target} {precision}", text_anchor="end"))
        for row in alike:
            pieces += [_bar(row, board, figure, y) for figure in ("ms", "peak_bytes")]
            y += _BAR
        y += _GAP
    style = "text{font:11px sans-serif;fill:#20252b}"
    width = _LEFT + 2 * (_COLUMN + _LABEL)
    return document(width, y, style, *pieces, label="Estimated time and peak memory of each choice")


def _legend() -> str:
    entries = []
    for index, (name, colour) in enumerate(_COLOURS.items()):
        x = _LEFT + index * 140
        entries += [element("rect", x=x, y=8, width=10, height=10, fill=colour), text(x + 15, 17, name)]
    return group(*entries)


def _headings() -> list[str]:
    words = ("ms on one core", "peak memory")
    return [text(_LEFT + index * (_COLUMN + _LABEL), 40, word) for index, word in enumerate(words)]


def _bar(row: Row, board: Sequence[Row], figure: str, y: float) -> str:
    value, most = getattr(row.cost, figure), max(getattr(other.cost, figure) for other in board)
    x = _LEFT if figure == "ms" else _LEFT + _COLUMN + _LABEL
    words = f"{three_figures(value)} ms" if figure == "ms" else size(value)
    width = max(1.0, _COLUMN * value / most)
    bar = element("rect", title(f"{row.target}, {row.cost.network}, {row.cost.precision}: {words}"), x=x, y=y,
                  width=width, height=_BAR - 2, fill=_COLOURS.get(row.cost.network, "#20252b"))  # fmt: skip
    return group(bar, text(x + width + 4, y + _BAR - 3, words))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default=NETWORK, help=f"a classifier of torchvision's, {NETWORK} by default")
    parser.add_argument("--side", type=int, default=SIDE, help=f"pixels of the square input, {SIDE} by default")
    parser.add_argument("--target", action="append", help=f"a board, may be repeated; {', '.join(BOARDS)} by default")
    parser.add_argument("--share", type=float, default=SHARE, help="of multiply-accumulates that pruning takes")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw time and peak")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    try:
        example = torch.zeros(1, 3, options.side, options.side)
        traced = trace(with_random_weights(architecture(options.net)), example)
        found = []
        for row in rows(networks(traced, options.share), traced, options.target or BOARDS):
            found.append(row)
            print(f"{row.target} {row.cost.network} {row.cost.precision}: {row.cost.ms:.4g} ms", file=sys.stderr)
    except RdpassError as error:
        print(f"real_scale: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if options.plot is not None:
        options.plot.write_text(plot(found), encoding="utf-8")
    if options.json:
        told = {"net": options.net, "side": options.side, "share": options.share}
        print(json.dumps({**told, "rows": [asdict(row) for row in found]}, indent=1))
    else:
        _print(found, f"{options.net} at {options.side} px, one core, estimated; pruned by {options.share:.0%}")


def _print(found: Sequence[Row], heading: str) -> None:
    print_table(
        ("board", "precision", "network", ">M MACs", ">ms", ">peak", ">read from memory", ">library", ">resident"),
        [(row.target, row.cost.precision, row.cost.network, f"{row.macs / 1e6:.0f}", three_figures(row.cost.ms),
          *map(size, (row.cost.peak_bytes, row.cost.dram_bytes, row.cost.library_bytes, row.cost.resident_bytes)))
         for row in _grouped(found)], heading,
    )  # fmt: skip


def _grouped(found: Sequence[Row]) -> list[Row]:
    """By board, then by precision, in the order of their first rows."""
    groups = list(dict.fromkeys((row.target, row.cost.precision) for row in found))
    boards = list(dict.fromkeys(target for target, _ in groups))
    return sorted(found, key=lambda row: (boards.index(row.target), groups.index((row.target, row.cost.precision))))


if __name__ == "__main__":
    main()

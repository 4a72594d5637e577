"""How the census's time grows with the graph: python benchmarks/census_scaling.py [--json] [--nodes 20000]

Synthetic graphs, each traced already, so that what is timed is functionalise, lift_layers, shapes, census and removal,
on one thread: chains of residual blocks, blocks nested three deep, and one long skip over every second stretch of the
chain that another tensor crosses (refused after a look at all of it).
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import operator
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # run as a script
    sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.fx import Graph, GraphModule, Node  # noqa: E402

from rdpass.core.plan import Traced  # noqa: E402
from rdpass.passes.analysis.shortcuts.census import take_census  # noqa: E402
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts  # noqa: E402
from rdpass.passes.graph.annotate import annotate  # noqa: E402
from rdpass.passes.graph.functionalise import functionalise  # noqa: E402
from rdpass.passes.graph.lift_layers import lift_layers  # noqa: E402

EXAMPLE = (torch.zeros(1, 1, 2, 2),)


class _Builder:
    """A graph of one-channel layers, grown block by block."""

    def __init__(self) -> None:
        self.root, self.graph = nn.Module(), Graph()
        self.last: Node = self.graph.placeholder("x")

    def layer(self, source: Node) -> Node:
        """A convolution and a ReLU after it."""
        name = f"layer{len(self.graph.nodes)}"
        self.root.add_module(name, nn.Conv2d(1, 1, 1))
        self.root.add_module(f"{name}_relu", nn.ReLU())
        return self.graph.call_module(f"{name}_relu", (self.graph.call_module(name, (source,)),))

    def block(self, source: Node, depth: int) -> Node:
        """A residual block round ``depth`` blocks of a depth less."""
        inner = self.layer(source)
        for _ in range(depth):
            inner = self.block(inner, depth - 1)
        return self.graph.call_function(operator.add, (inner, source))


def chain(nodes: int) -> GraphModule:
    """Residual blocks in a row."""
    return _grown(nodes, lambda builder: builder.block(builder.last, 0))


def nested(nodes: int) -> GraphModule:
    """Blocks of blocks of blocks in a row."""
    return _grown(nodes, lambda builder: builder.block(builder.last, 2))


def crossed(nodes: int) -> GraphModule:
    """Stretches of eight blocks under a skip that another tensor crosses, so that it is none."""

    def stretch(builder: _Builder) -> Node:
        start = builder.last
        middle = last = builder.block(start, 0)
        for _ in range(7):
            last = builder.block(last, 0)
        summed = builder.graph.call_function(operator.add, (last, start))
        return builder.graph.call_function(operator.mul, (summed, middle))

    return _grown(nodes, stretch)


FAMILIES: tuple[Callable[[int], GraphModule], ...] = (chain, nested, crossed)


def measure(family: Callable[[int], GraphModule], nodes: int) -> dict[str, Any]:
    """Seconds of the processor for each step on a graph of about ``nodes`` nodes."""
    gc.collect()  # of the graph before this one
    module = family(nodes)
    seconds: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        start = time.process_time()
        result = step()
        seconds[name] = round(time.process_time() - start, 4)
        return result

    module = timed("functionalise", lambda: functionalise(module))
    timed("shapes", lambda: annotate(module, EXAMPLE))
    module = timed("lift_layers", lambda: lift_layers(module))
    regions, _ = timed("census", lambda: take_census(Traced(module, EXAMPLE)))
    timed("remove_shortcuts", lambda: remove_shortcuts(module, [r for r in regions if r.verdict == "removable"]))
    count = len(module.graph.nodes)
    return {"family": family.__name__, "nodes": count, "regions": len(regions), "seconds": seconds,
            "total": round(sum(seconds.values()), 3),
            "per_n_log_n": sum(seconds.values()) / (count * math.log2(count)) * 1e6}  # fmt: skip


def main() -> None:
    """Print a row per family and size; exit code 1 if the time per n log n grows more than twofold from 1000 nodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--nodes", type=int, default=20000, help="the largest graph")
    options = parser.parse_args()
    torch.set_num_threads(1)
    measure(chain, 200)  # what is done once in a process
    sizes = [size for size in (1000, 2500, 5000, 10000, 20000) if size <= options.nodes]
    rows = [measure(family, size) for family in FAMILIES for size in sizes]
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            steps = ", ".join(f"{name} {value:.2f}" for name, value in row["seconds"].items())
            print(f"{row['family']:8} {row['nodes']:6} nodes {row['total']:8.2f} s  ({steps})")
    raise SystemExit(any(_grows_too_fast([row for row in rows if row["family"] == f.__name__]) for f in FAMILIES))


def _grown(nodes: int, step: Callable[[_Builder], Node]) -> GraphModule:
    builder = _Builder()
    while len(builder.graph.nodes) < nodes:
        builder.last = step(builder)
    builder.graph.output(builder.last)
    return GraphModule(builder.root, builder.graph).eval()


def _grows_too_fast(rows: list[dict[str, Any]]) -> bool:
    return bool(rows[-1]["per_n_log_n"] > 2 * rows[0]["per_n_log_n"])


if __name__ == "__main__":
    main()

"""Side by side on this host: ours and other runtimes, on a residual network and the same without shortcuts.

    python benchmarks/peers.py --net resnet50 --peers onnxruntime,ncnn --threads 1 [--json]

All runtimes and both graphs take turns in one process for each number of threads, confined to as many cores. With one
thread CPU time is compared, with more the time that goes by: medians, and the spread from first to ninth decile.
Every output is compared with torch's. Peers come with `pip install "rdpass[peers]"`, as far as they install.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.markup import escape

from benchmarks.peer_runtimes.comparison import NETWORKS, Ratio, ratios, run_worker
from rdpass.cli.tables import print_table
from rdpass.core.errors import ConfigError, RdpassError
from rdpass.profiling.runtimes.catalogue import OURS
from rdpass.profiling.runtimes.rows import Row, write_rows

PEERS = ("onnxruntime", "ncnn", "mnn", "openvino", "executorch")
SCRIPT = Path(__file__).resolve()


def compare(net: str, peers: Sequence[str], threads: Sequence[int], rounds: int) -> list[Row]:
    """The rows of every number of threads, fewest first."""
    unknown = sorted(set(peers) - set(PEERS))
    if unknown:
        raise ConfigError(f"no runtime is called {', '.join(unknown)}; known are {', '.join(PEERS)}")
    return [row for count in threads for row in run_worker(SCRIPT, net, [OURS, *peers], count, rounds)]


def _print(net: str, rows: Sequence[Row]) -> None:
    columns = ("runtime", "graph", ">threads", ">median ms", ">spread", "clock", ">error", "")
    print_table(columns, map(_cells, sorted(rows, key=_fastest_first)), f"{net} and its plain form, batch 1, this host")
    compared = ratios(rows)
    for ratio in compared:
        print(_sentence(ratio))
    if not compared:
        print("nothing to compare with: no other runtime could be timed")


def _fastest_first(row: Row) -> tuple[int, str, float]:
    return row.threads, row.graph, row.median_ms or float("inf")


def _cells(row: Row) -> tuple[str, ...]:
    if row.median_ms is None or row.spread is None:
        return row.runtime, row.graph, str(row.threads), "", "", "", "", escape(row.reason or "")
    figures = f"{row.median_ms:.2f}", f"{row.spread:.0%}", row.clock or "", f"{row.max_rel_error:.1e}"
    return row.runtime, row.graph, str(row.threads), *figures, ""


def _sentence(ratio: Ratio) -> str:
    verdict = "ahead" if ratio.ratio >= 1 else "ours loses"
    where = f"{ratio.threads} thread{'s' if ratio.threads > 1 else ''}"
    return f"ours ({ratio.graph}) / {ratio.runtime} ({ratio.peer_graph}), {where}: {ratio.ratio:.2f} x, {verdict}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", choices=NETWORKS, default="resnet50")
    parser.add_argument("--peers", default=",".join(PEERS), help="runtimes to compare with, by commas")
    parser.add_argument("--threads", nargs="+", default=["1", "2"], help="numbers of threads, by commas or spaces")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each; a turn is three timed inferences")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = _arguments()
    peers = [name for name in options.peers.split(",") if name]
    threads = sorted({int(count) for given in options.threads for count in given.split(",") if count})
    if options.worker:
        from benchmarks.peer_runtimes.measuring import measure

        write_rows(measure(options.net, peers, threads[0], options.rounds), options.worker)
        return
    try:
        rows = compare(options.net, peers, threads, options.rounds)
    except RdpassError as error:
        print(f"peers: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if options.json:
        found = {"rows": [asdict(row) for row in rows], "ratios": [asdict(ratio) for ratio in ratios(rows)]}
        print(json.dumps({"net": options.net, **found}, indent=1))
    else:
        _print(options.net, rows)


if __name__ == "__main__":
    main()

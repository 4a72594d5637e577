"""``rdpass bench``: how long one inference of a bundle takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rdpass.benchmark import Timing


def bench_command(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.", metavar="DIR")],
    on: Annotated[
        str | None, typer.Option(metavar="USER@BOARD", help="Measure on a board, reached over ssh; default: here.")
    ] = None,
    runs: Annotated[int, typer.Option(help="Timed inferences.", min=1)] = 200,
    threads: Annotated[int | None, typer.Option(help="Default: as the runtime likes.", min=1)] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that a board may take, the copying aside.", min=1)] = 600,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time DIR's own runner: median, tail and memory.

    With --on, DIR is copied into a temporary folder of the board, checked there, timed, and removed.
    """
    from rdpass.benchmark import bench

    timing = bench(bundle, runs=runs, threads=threads, on=on, timeout=timeout)
    if as_json:
        print(json.dumps({"bundle": str(bundle), **asdict(timing)}, indent=1))
    else:
        print_timing(bundle, timing)


def print_timing(bundle: Path, timing: Timing) -> None:
    """The figures as a table, and what they are not."""
    from rdpass.cli.tables import print_table, size

    threads = "threads as the runtime likes" if timing.threads is None else f"{timing.threads} threads"
    print(f"{bundle} ({timing.target}) on {timing.where}: {timing.runs} runs after {timing.warmup}, {threads}")
    print_table(
        (">p50 ms", ">p95 ms", ">p99 ms", ">min ms", ">mean ms", ">load ms", ">peak memory"),
        [
            (
                *(f"{value:.3f}" for value in (timing.p50_ms, timing.p95_ms, timing.p99_ms, timing.min_ms)),
                f"{timing.mean_ms:.3f}", f"{timing.load_ms:.1f}", size(timing.peak_rss_bytes),
            )
        ],
    )  # fmt: skip
    if timing.emulated:
        print("Under an emulator, whose memory is counted too: no measure of any board; --on USER@BOARD measures one.")

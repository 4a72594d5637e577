"""``rdpass bench``: how long one inference of a bundle takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from rdpass.cli.verify import KEY_HELP
from rdpass.core.errors import ConfigError
from rdpass.core.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rdpass.deploy.bundle.benchmark import Timing
    from rdpass.profiling.runtimes.rows import Row


def bench_command(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.", metavar="DIR")],
    on: Annotated[
        str | None, typer.Option(metavar="USER@BOARD", help="Measure on a board, reached over ssh; default: here.")
    ] = None,
    runs: Annotated[int, typer.Option(help="Timed inferences.", min=1)] = 200,
    threads: Annotated[int | None, typer.Option(help="Threads; default: the runner's own choice.", min=1)] = None,
    timeout: Annotated[
        float, typer.Option(help="Longest time on the board in seconds, copying excluded.", min=1)
    ] = 600,
    versus: Annotated[
        str | None,
        typer.Option(
            "--vs", metavar="ort,ncnn", help="Also time other runtimes here: ort, ncnn, mnn, openvino, or a package's."
        ),
    ] = None,
    onnx: Annotated[Path | None, typer.Option(help="The model DIR was built from, for --vs.", metavar="FILE")] = None,
    verify_key: Annotated[Path | None, typer.Option(help=KEY_HELP)] = None,
    input_size: Annotated[
        str | None, typer.Option("--input", help="Size of FILE's input, for --vs; default: DIR's, which it must be.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time DIR's own runner: median, tail and memory.

    With --on, DIR is copied into a temporary folder of the board, checked there, timed, and removed. With --vs, DIR and
    other runtimes take turns in one process of this host instead, on --threads threads (default 1).
    """
    from rdpass.deploy.bundle.benchmark import bench

    if versus is not None:
        if on is not None or onnx is None or verify_key is not None:
            raise ConfigError("--vs compares on this host: it takes --onnx FILE, and no --on or --verify-key")
        if input_size is not None:
            check_sizes(bundle, input_size)
        compare_command(bundle, onnx, versus.split(","), threads or 1, runs, as_json)
        return
    timing = bench(bundle, runs=runs, threads=threads, on=on, timeout=timeout, key=verify_key)
    if as_json:
        print(json.dumps({"bundle": str(bundle), **asdict(timing)}, indent=1))
    else:
        print_timing(bundle, timing)


def check_sizes(bundle: Path, text: str) -> None:
    """Refuse sizes that are not those the bundle was built for."""
    from rdpass.core.input_size import parse_sizes
    from rdpass.deploy.bundle.manifest import open_sealed

    inputs = open_sealed(bundle).inputs
    shapes = {spec.name: spec.shape for spec in inputs}
    for size, spec in zip(parse_sizes(text), inputs, strict=False):
        if shapes.get(size.name or spec.name) != size.shape:
            built = ",".join(f"{spec.name}={'x'.join(map(str, spec.shape))}" for spec in inputs)
            raise ConfigError(f"--input {size}: {bundle} was built for {built}; compile FILE for that size")


def compare_command(bundle: Path, onnx: Path, names: Sequence[str], threads: int, runs: int, as_json: bool) -> None:
    """Ours beside other runtimes, about ``runs`` timed inferences of each; says so where ours loses."""
    from rdpass.cli.tables import print_table
    from rdpass.profiling.runtimes.side_by_side import compare, standings
    from rdpass.profiling.runtimes.timing import TIMED

    rows = compare(bundle, onnx, names, threads, max(1, runs // TIMED))
    found = standings(rows)
    if as_json:
        print(json.dumps({"bundle": str(bundle), "rows": [asdict(row) for row in rows],
                          "standings": [asdict(standing) for standing in found]}, indent=1))  # fmt: skip
        return
    print_table(("runtime", ">threads", ">median ms", ">spread", "clock", ">error", ""), map(_cells, rows))
    for standing in found:
        verdict = "ahead" if standing.ratio >= 1 else "ours loses"
        print(f"ours / {standing.runtime}: {standing.ratio:.2f} x as fast, {verdict}")
    if not found:
        print("nothing to compare with: no other runtime could be timed")


def _cells(row: Row) -> tuple[str, ...]:
    if row.median_ms is None or row.spread is None:
        return row.runtime, str(row.threads), "", "", "", "", escape(row.reason or "")
    figures = f"{row.median_ms:.3f}", f"{row.spread:.0%}", row.clock or "", f"{row.max_rel_error:.1e}"
    return row.runtime, str(row.threads), *figures, ""


def print_timing(bundle: Path, timing: Timing) -> None:
    """The figures as a table, and what they are not."""
    from rdpass.cli.tables import print_table, size

    threads = "threads as the runtime likes"
    if timing.threads is not None:
        threads = "1 thread" if timing.threads == 1 else f"{timing.threads} threads"
    print(
        f"{bundle} ({printable(timing.target)}) on {timing.where}: {timing.runs} runs after {timing.warmup}, {threads}"
    )
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

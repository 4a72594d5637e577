"""``rdpass bench``: how long one inference of a bundle takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from rdpass.cli.compile import OPTIMIZE_HELP, PRECISION_HELP, OptimizeChoice, PrecisionChoice, as_precision
from rdpass.cli.verify import KEY_HELP
from rdpass.core.errors import ConfigError
from rdpass.core.optimization import SPEED
from rdpass.core.printable import printable
from rdpass.targets.boards import HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rdpass.deploy.bundle.benchmark import Timing
    from rdpass.profiling.runtimes.rows import Row


def bench_command(
    source: Annotated[
        Path, typer.Argument(help="The bundle's folder, or an .onnx file to build for this host.", metavar="DIR|FILE")
    ],
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
    precision: Annotated[PrecisionChoice | None, typer.Option(help=f"To build FILE in. {PRECISION_HELP}")] = None,
    optimize: Annotated[
        OptimizeChoice | None, typer.Option(help=f"How to build FILE. {OPTIMIZE_HELP}", show_default="speed")
    ] = None,
    verify_key: Annotated[Path | None, typer.Option(help=KEY_HELP)] = None,
    input_size: Annotated[
        str | None, typer.Option("--input", help="Size of FILE's input, for --vs; default: DIR's, which it must be.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time DIR's own runner, or FILE built for this host: median, tail and memory.

    With --on, DIR is copied into a temporary folder of the board, checked there, timed, and removed. With --vs, DIR and
    other runtimes take turns in one process of this host instead, on --threads threads (default 1).

    Example: rdpass bench student.rdp --on pi@raspberrypi.local
    """
    from rdpass.core.other_formats import check_onnx_format
    from rdpass.deploy.bundle.benchmark import bench

    if not source.is_dir():
        check_onnx_format(source)
    is_file = source.suffix.lower() == ".onnx" and not source.is_dir()
    model = source if is_file and onnx is None else onnx
    if is_file and (on is not None or onnx is not None or verify_key is not None):
        raise ConfigError(f"{source} is built for this host: with --on, --onnx and --verify-key give a bundle")
    if precision is not None and not is_file:
        raise ConfigError(f"{source} has its precision already: --precision is for an .onnx file")
    if optimize is not None and not is_file:
        raise ConfigError(f"{source} has its kernels already: --optimize is for an .onnx file")
    if versus is not None and (on is not None or model is None or verify_key is not None):
        raise ConfigError("--vs compares on this host: it takes --onnx FILE, and no --on or --verify-key")
    with _built(source, input_size, precision, optimize) if is_file else nullcontext(source) as bundle:
        if versus is not None and model is not None:
            if input_size is not None:
                check_sizes(bundle, input_size)
            rows = compared(bundle, model, versus.split(","), threads or 1, runs)
            print_rows(source, rows, as_json)
            return
        timing = bench(bundle, runs=runs, threads=threads, on=on, timeout=timeout, key=verify_key)
    if as_json:
        print(json.dumps({"bundle": str(source), **asdict(timing), "noisy": timing.is_noisy}, indent=1))
    else:
        print_timing(source, timing)


@contextmanager
def _built(
    file: Path, input_size: str | None, precision: PrecisionChoice | None, optimize: OptimizeChoice | None
) -> Iterator[Path]:
    """A bundle of a file for this host, for as long as the block runs."""
    import tempfile

    from rdpass.deploy.bundle.building import compile

    with tempfile.TemporaryDirectory(prefix="rdpass-") as place:
        folder = Path(place) / f"{file.stem}.rdp"
        wanted = optimize.value if optimize else SPEED
        yield compile(file, HOST, folder, example=input_size, precision=as_precision(precision), optimize=wanted).folder


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


def compared(bundle: Path, onnx: Path, names: Sequence[str], threads: int, runs: int) -> tuple[Row, ...]:
    """Ours beside other runtimes, about ``runs`` timed inferences of each."""
    from rdpass.profiling.runtimes.side_by_side import compare
    from rdpass.profiling.runtimes.timing import TIMED

    return compare(bundle, onnx, names, threads, max(1, runs // TIMED))


def print_rows(source: Path, rows: Sequence[Row], as_json: bool) -> None:
    """Each runtime's figures; says so where ours loses."""
    from rdpass.cli.tables import print_table, say
    from rdpass.profiling.runtimes.side_by_side import standings

    found = standings(rows)
    if as_json:
        print(json.dumps({"bundle": str(source), "rows": [asdict(row) for row in rows],
                          "standings": [asdict(standing) for standing in found]}, indent=1))  # fmt: skip
        return
    print_table(("runtime", "precision", ">threads", ">median ms", ">spread", "clock", ">error", ""), map(_cells, rows))
    for standing in found:
        verdict = "ahead" if standing.ratio >= 1 else "ours loses"
        say(f"ours / {standing.runtime}: {standing.ratio:.2f} x as fast, {verdict}", standing.ratio >= 1)
    if not found:
        print("nothing to compare with: no other runtime could be timed")


def _cells(row: Row) -> tuple[str, ...]:
    if row.median_ms is None or row.spread is None:
        return row.runtime, row.precision, str(row.threads), "", "", "", "", escape(row.reason or "")
    figures = f"{row.median_ms:.3f}", f"{row.spread:.0%}", row.clock or "", f"{row.max_rel_error:.1e}"
    return row.runtime, row.precision, str(row.threads), *figures, ""


def print_timing(bundle: Path, timing: Timing) -> None:
    """The figures as a table, and what they are not."""
    from rdpass.cli.tables import print_table, say, size

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
    if timing.is_noisy:
        say(
            f"Not to be believed: from {timing.min_ms:.3f} ms over {timing.p50_ms:.3f} ms (median) to"
            f" {timing.p95_ms:.3f} ms (95th percentile) the runs differ too much. Something else uses the machine, or"
            " its clock moves; measure again when it is quiet.",
            is_good=False,
        )
    if timing.emulated:
        say("Under an emulator, whose memory is counted too: no measure of any board; --on USER@BOARD measures one.")

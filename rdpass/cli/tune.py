"""``rdpass tune``: faster tiles for the kernels of a network."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdpass.cli.compile import (
    FILE_INPUT_HELP,
    OPTIMIZE_HELP,
    PRECISION_HELP,
    OptimizeChoice,
    PrecisionChoice,
    as_precision,
)
from rdpass.core.errors import ConfigError

if TYPE_CHECKING:
    from rdpass.tuning.report import TunedWorkload, Tuning


def tune_command(
    model: Annotated[Path, typer.Argument(help="The .onnx file.", metavar="FILE.onnx")],
    database: Annotated[Path, typer.Option("--db", help="The database's folder; made if it does not exist.")],
    target: Annotated[str, typer.Option(help="A name that `rdpass targets` lists, or a .toml file.")] = "host",
    input_size: Annotated[str | None, typer.Option("--input", help=FILE_INPUT_HELP)] = None,
    precision: Annotated[PrecisionChoice | None, typer.Option(help=PRECISION_HELP)] = None,
    optimize: Annotated[OptimizeChoice, typer.Option(help=OPTIMIZE_HELP)] = OptimizeChoice.speed,
    trials: Annotated[int, typer.Option(help="Tiles to try in all, earlier runs included; 0: none.")] = 400,
    seconds: Annotated[float | None, typer.Option(help="Start no new tile after this many seconds.")] = None,
    estimate: Annotated[str | None, typer.Option("--model", help="mca: estimate costs without a board.")] = None,
    rpc: Annotated[str | None, typer.Option(help="HOST:PORT of a TVM tracker that lends boards.")] = None,
    key: Annotated[str | None, typer.Option(help="The boards' key at the tracker.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Longest time for one tile, in seconds.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Try tiles for the kernels of FILE.onnx, on this host, on boards or by estimates; `compile --db` uses the best.

    Example: rdpass tune student.onnx --target rpi4 --model mca --db tune/
    """
    from rdpass.tuning.tuner import tune

    if estimate not in (None, "mca"):
        raise ConfigError(f"no model is called {estimate!r}; there is mca")
    tuning = tune(
        model, target, database, example=input_size, precision=as_precision(precision),
        optimize=optimize.value, trials=trials, seconds=seconds, model="mca" if estimate else None, rpc=rpc, key=key,
        timeout=timeout,
    )  # fmt: skip
    if as_json:
        print(json.dumps(_as_json(tuning), indent=1))
    else:
        _print_tuning(tuning, database)


def _as_json(tuning: Tuning) -> dict[str, Any]:
    from rdpass.database.encoding import encode

    rows = [
        {**asdict(w), "workload": encode(w.workload), "tile": encode(w.tile), "default": encode(w.default)}
        for w in tuning.workloads
    ]
    return {
        **asdict(tuning),
        "workloads": rows,
        "seconds": tuning.seconds,
        "default_seconds": tuning.default_seconds,
    }


def _print_tuning(tuning: Tuning, database: Path) -> None:
    from rdpass.cli.tables import print_table
    from rdpass.kernels.choice import label

    estimated = "estimated " if tuning.estimated or tuning.method == "mca" else ""
    columns = ("workload", ">calls", ">trials", ">failed", "default", "best", f">{estimated}ms", ">of default's")
    rows = [
        (
            w.workload.describe(), str(w.calls), str(w.trials), str(w.failed), label(w.default),
            "default" if w.tile == w.default else w.template, *_times(w),
        )
        for w in tuning.workloads
    ]  # fmt: skip
    print_table(columns, rows)
    if tuning.default_seconds:
        print(
            f"all calls of one inference: {estimated}{1e3 * tuning.seconds:.3f} ms,"
            f" {tuning.seconds / tuning.default_seconds:.1%} of the {1e3 * tuning.default_seconds:.3f} ms untuned"
        )
    print(f"whole network: {tuning.network.reason}")
    print(f"{tuning.trials} trials in {database}, {tuning.fresh} records of this run")


def _times(workload: TunedWorkload) -> tuple[str, str]:
    if workload.seconds is None or workload.default_seconds is None:
        return "", ""
    return f"{1e3 * workload.seconds:.3f}", f"{workload.seconds / workload.default_seconds:.1%}"

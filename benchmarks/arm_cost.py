"""Estimate what a network costs on an ARM core without one; ``docs/arm-cost.md`` says what each figure means.

    python benchmarks/arm_cost.py --net plain50 --target cortex-a72 [--precision int8|fp16] [--optimize size] [--json]

NET is plain18, plain50, resnet18, resnet50, mobilenet_v2 or an .onnx file; TARGET a board of ``rdpass targets``,
or a core.
With --estimate nothing is built or run: the figures are those that ``rdpass inspect`` ends with, in seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.networks import NAMES, quantised_file, reference_file
from rdpass.cli.tables import print_table, size
from rdpass.core.errors import ConfigError, RdpassError
from rdpass.core.numeric_types import BYTES, SINGLE, Precision
from rdpass.core.optimization import SPEED, Optimize
from rdpass.onnx.source import read_onnx
from rdpass.profiling.account.choices import estimate
from rdpass.profiling.emulation.boards import find_board, modelled_core
from rdpass.profiling.emulation.llvm_tools import find_llvm_tool, llvm_version
from rdpass.profiling.emulation.network import FunctionCost, measure_network
from rdpass.profiling.emulation.plugin import cache_folder


def report(net: str, target: str, precision: Precision = SINGLE, optimize: Optimize = SPEED) -> dict[str, Any]:
    """All figures of ``net`` on ``target``, as they are printed with ``--json``."""
    board = find_board(target)
    model = _model(net)
    if precision == BYTES and not read_onnx(model).is_quantised:
        model = quantised_file(model, cache_folder() / "models")
    cost = measure_network(model, board, precision=precision, optimize=optimize)
    return {
        "net": net,
        "target": target,
        "precision": precision,
        "optimize": optimize,
        "instructions": cost.instructions,
        "fmla": cost.fmla,
        "est_cycles": _rounded(cost.est_cycles),
        "dram_bytes": cost.dram_bytes,
        "dram_bytes_beyond_weights": cost.dram_bytes_beyond_weights,
        "est_ms": round(cost.est_ms, 3),
        "peak_activation_bytes": cost.peak_activation_bytes,
        "weight_bytes": cost.facts.weight_bytes,
        "code_bytes": cost.facts.code_bytes,
        "library_bytes": cost.facts.library_bytes,
        "max_rel_error": cost.max_rel_error,
        "fallback_share": round(cost.fallback_share, 4),
        "estimate": {
            "core": modelled_core(board),
            "ghz": board.clock_ghz,
            "gb_per_s": board.dram_gbps,
            "llvm_mca": ".".join(map(str, llvm_version(find_llvm_tool("llvm-mca")))),
        },
        "layers": [_layer(function) for function in cost.functions],
    }


def estimated(net: str, target: str, precision: Precision = SINGLE, optimize: Optimize = SPEED) -> dict[str, Any]:
    """The figures of ``net`` on ``target`` that the account of its kernels gives, without building or running it."""
    choice = estimate(net, read_onnx(_model(net)), find_board(target), precision, optimize)
    return {"net": net, "target": target, "optimize": optimize, **asdict(choice)}


def _print_estimated(figures: dict[str, Any]) -> None:
    print(f"{figures['net']} for {figures['target']} in {figures['precision']}, optimized for {figures['optimize']}:"
          f" {figures['ms']:.1f} ms, {figures['cycles'] / 1e6:.1f} Mcycles, {size(figures['dram_bytes'])} from memory,"
          f" peak {size(figures['peak_bytes'])}, weights {size(figures['weight_bytes'])}; estimated")  # fmt: skip


def _model(net: str) -> Path:
    if net in NAMES:
        return reference_file(net, cache_folder() / "models")
    if not net.endswith(".onnx"):
        raise ConfigError(f"{net} is neither one of {', '.join(NAMES)} nor an .onnx file")
    return Path(net)


def _layer(function: FunctionCost) -> dict[str, Any]:
    return {**asdict(function), "est_cycles": _rounded(function.est_cycles)}


def _rounded(cycles: Any) -> dict[str, int]:
    return {core: round(count) for core, count in cycles.items()}


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f}"


def _print(figures: dict[str, Any]) -> None:
    cores = list(figures["est_cycles"])
    rows = [
        (row["name"], row["kind"], str(row["calls"]), _millions(row["instructions"]), _millions(row["fmla"]),
         *(_millions(row["est_cycles"][core]) for core in cores), size(row["l2_miss_bytes"]),
         ", ".join(f"{share:.0%}/{bound:.0%}" for share, bound in zip(
             row["fmla_share_of_hot_loops"], row["fmla_bound_of_hot_loops"], strict=True)))
        for row in figures["layers"]
    ]  # fmt: skip
    total = ("all", "", "", _millions(figures["instructions"]), _millions(figures["fmla"]),
             *(_millions(figures["est_cycles"][core]) for core in cores), size(figures["dram_bytes"]), "")  # fmt: skip
    short = [f">{core.rpartition('-')[2].upper()}" for core in cores]
    columns = ("function", "kind", ">calls", ">instr. M", ">FMLA M", *short, ">L2 misses", "FMLA in hot loops/bound")
    print_table(columns, [*rows, total], f"{figures['net']} for {figures['target']}: counted, and cycles (M) estimated")
    estimate = figures["estimate"]
    print(f"estimated {figures['est_ms']:.1f} ms: {estimate['core']} at {estimate['ghz']} GHz, no cache missed, and"
          f" {size(figures['dram_bytes'])} at {estimate['gb_per_s']} GB/s")  # fmt: skip
    print(f"L2 misses beyond reading {size(figures['weight_bytes'])} of weights once:"
          f" {size(figures['dram_bytes_beyond_weights'])}")  # fmt: skip
    print(f"TVM's own lowering: {figures['fallback_share']:.1%} of all instructions")
    print(f"planned peak of activations {size(figures['peak_activation_bytes'])},"
          f" largest relative error {figures['max_rel_error']:.1e}")  # fmt: skip
    print(f"optimized for {figures['optimize']}: library {size(figures['library_bytes'])}, of it weights"
          f" {size(figures['weight_bytes'])} and code {size(figures['code_bytes'])}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", required=True, help=f"{', '.join(NAMES)} or an .onnx file")
    parser.add_argument("--target", default="cortex-a72", help="a board or a core")
    parser.add_argument("--precision", choices=get_args(Precision), default=SINGLE, help="what it computes in")
    parser.add_argument("--optimize", choices=get_args(Optimize), default=SPEED, help="what kernels are chosen for")
    parser.add_argument("--estimate", action="store_true", help="by the account of kernels: nothing is built or run")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    try:
        find = estimated if options.estimate else report
        figures = find(options.net, options.target, options.precision, options.optimize)
    except RdpassError as error:
        print(f"arm_cost: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if options.json:
        print(json.dumps(figures, indent=1))
    elif options.estimate:
        _print_estimated(figures)
    else:
        _print(figures)


if __name__ == "__main__":
    main()

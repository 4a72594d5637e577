"""Hold the account of costs, which ``rdpass inspect`` gives in seconds, against costs counted under emulation.

    python benchmarks/forecast_error.py --target cortex-a72 --only 'resnet*' --json
    python benchmarks/forecast_error.py --kept counts/ --plot forecast.svg

Every network is taken as it is and, where it has shortcuts, without them, with random weights at a small size. Time,
cycles, bytes from memory and peak of the account are compared with those of ``arm_cost.py``, the simulated caches being
the board's. With --kept a count is kept in a folder and taken from there as long as the code that would be compiled is
the same; --known leaves out what is not there. docs/inspect.md says what was found.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, get_args

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from tvm_ffi import structural_hash

from rdpass.capture.trace import trace
from rdpass.cli.tables import print_table
from rdpass.core.errors import ConfigError, RdpassError, TargetError, first_line
from rdpass.core.files import new_file
from rdpass.core.numeric_types import SINGLE, Precision
from rdpass.core.plan import Skipped
from rdpass.deploy.lowering import lower_for, network_of
from rdpass.onnx.export import draft_onnx
from rdpass.onnx.source import OnnxSource, read_onnx
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.profiling.account.choices import as_precision
from rdpass.profiling.account.network import account_of
from rdpass.profiling.emulation.boards import find_board, modelled_core
from rdpass.profiling.emulation.emulator import Caches
from rdpass.profiling.emulation.network import measure_network
from rdpass.profiling.emulation.network_build import source_digest
from rdpass.report.drawing.svg import document, element, group, text, title
from rdpass.sources.models import load_model
from rdpass.targets.target import Target

NETWORKS = (
    "torchvision:resnet18", "torchvision:squeezenet1_1", "timm:lcnet_050", "torchvision:shufflenet_v2_x0_5",
    "torchvision:mobilenet_v2", "timm:tinynet_e", "benchmarks.rrdb:rrdb_net", "torchvision:mobilenet_v3_small",
    "benchmarks.fingerprinting.networks:unet", "torchvision:mnasnet0_5", "timm:ghostnet_050",
    "timm:efficientnet_lite0", "benchmarks.fingerprinting.networks:yolo_neck", "torchvision:regnet_x_400mf",
    "timm:mobileone_s0", "torchvision:regnet_y_400mf", "timm:fbnetc_100", "timm:repvgg_a0", "torchvision:googlenet",
    "torchvision:efficientnet_b0", "timm:rexnet_100", "torchvision:lraspp_mobilenet_v3_large", "timm:mixnet_s",
    "timm:convnext_atto", "torchvision:resnet50", "timm:selecsls42b", "timm:vgg11(features_only=True)",
    "torchvision:densenet121", "timm:skresnet18", "timm:dla34", "timm:cspresnet50", "torchvision:resnext50_32x4d",
    "timm:res2net50_26w_4s",
)  # fmt: skip
SIDE = 64
TIME, PEAK, RATIO = 0.10, 0.03, 0.03
"""The errors that are aimed at."""


@dataclass(frozen=True)
class Costs:
    """One inference: milliseconds, cycles of the core, bytes from memory, bytes at the peak; cycles by function."""

    ms: float
    cycles: float
    dram_bytes: int
    peak_bytes: int
    functions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One network on one core: what the account says, and what was counted."""

    network: str
    variant: str
    precision: Precision
    target: str
    forecast: Costs
    counted: Costs

    def error(self, figure: str) -> float:
        """Relative, of a figure of ``Costs``; 0 where nothing was counted."""
        counted = getattr(self.counted, figure)
        return float(getattr(self.forecast, figure) / counted - 1) if counted else 0.0


def rows(
    specs: Sequence[str], targets: Sequence[str], precisions: Sequence[Precision], kept: Path | None = None,
    known: bool = False, side: int = SIDE, record: Record | None = None,
) -> Iterator[Row | Skipped]:  # fmt: skip
    """One row a network, variant, precision and core, or why there is none; ``known``: those alone whose count is kept.

    Cores and precisions take turns: a run cut short has seen every network before any in all its forms. What is in the
    record comes from there, and what is not is added to it.
    """
    forms = list(product(precisions, targets))
    for turn in range(len(forms)):
        for place, spec in enumerate(specs):
            precision, target = forms[(place + turn) % len(forms)]
            found: tuple[Row | Skipped, ...] = () if record is None else record.rows(_name(spec), precision, target)
            if not found:
                found = tuple(_rows_of(spec, precision, find_board(target), kept, known, side))
                if record is not None:
                    record.add([row for row in found if isinstance(row, Row)])
            yield from found


def _rows_of(
    spec: str, precision: Precision, target: Target, kept: Path | None, known: bool, side: int
) -> Iterator[Row | Skipped]:
    try:
        for variant, source in _variants(spec, side):
            yield from _row_or_reason(spec, variant, source, precision, target, kept, known)
    except TargetError:
        raise  # a tool that is missing, for all networks alike
    except Exception as error:  # tracer and exporter raise what they like
        yield Skipped(_name(spec), first_line(error))


def _row_or_reason(
    spec: str, variant: str, source: OnnxSource, precision: Precision, target: Target, kept: Path | None, known: bool
) -> Iterator[Row | Skipped]:
    try:
        yield _row(spec, variant, as_precision(source, precision), precision, target, kept, known)
    except TargetError:
        raise
    except Exception as error:  # quantiser, importer and compiler too
        yield Skipped(f"{_name(spec)}, {variant}, {precision}, {target.name}", first_line(error))


def _name(spec: str) -> str:
    return spec.partition(":")[2].partition("(")[0]


def _variants(spec: str, side: int) -> Iterator[tuple[str, OnnxSource]]:
    torch.manual_seed(0)
    model, _ = load_model(spec, None, f"1x3x{side}x{side}", trusted=False)
    traced = trace(model, torch.randn(1, 3, side, side))
    regions, _ = take_census(traced)
    removable = [region for region in regions if region.verdict == "removable"]
    yield "as it is", read_onnx(draft_onnx(traced.module, traced.example))
    if removable:
        yield "plain", read_onnx(draft_onnx(remove_shortcuts(traced.module, removable), traced.example))


def _row(
    spec: str, variant: str, source: OnnxSource, precision: Precision, target: Target, kept: Path | None, known: bool
) -> Row:
    lowered = lower_for(network_of(source, target, precision), target)
    account = account_of(lowered, target)
    place = None if kept is None else kept / f"{structural_hash(lowered) & (2**64 - 1):016x}-{target.name}.json"
    if place is not None and place.exists():
        counted = Costs(**json.loads(place.read_text()))
    elif known:
        raise ConfigError("its count is not kept")
    else:
        counted = _counted(source, target, precision)
        if place is not None:
            with new_file(place, force=True) as file:
                file.write_text(json.dumps(asdict(counted)))
    forecast = Costs(account.ms, account.cycles, account.dram_bytes, account.peak_bytes, account.functions)
    return Row(_name(spec), variant, precision, target.name, forecast, counted)


def _counted(source: OnnxSource, target: Target, precision: Precision) -> Costs:
    caches, core = Caches(l1=target.l1d_bytes, l2=target.last_cache_bytes), modelled_core(target)
    cost = measure_network(source, target, caches, precision=precision, cores=(core,))
    functions = {function.name: function.est_cycles[core] for function in cost.functions}
    return Costs(cost.est_ms, cost.est_cycles[core], cost.dram_bytes, cost.peak_activation_bytes, functions)


class Record:
    """Rows in a file, a line for all variants of a network on a core, with a digest of the code that they are of."""

    def __init__(self, path: Path) -> None:
        self._path, self._code = path, source_digest()
        lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
        self._rows = [tuple(map(_row_from, line["rows"])) for line in lines if line["code"] == self._code]

    def rows(self, network: str, precision: Precision, target: str) -> tuple[Row, ...]:
        """Those of the code of now; none where it has not come so far."""
        wanted = network, precision, target
        same = (rows for rows in self._rows if (rows[0].network, rows[0].precision, rows[0].target) == wanted)
        return next(same, ())

    def add(self, found: Sequence[Row]) -> None:
        """Write down the rows of one network on one core, if there are any."""
        if found:
            with self._path.open("a") as file:
                file.write(json.dumps({"code": self._code, "rows": [asdict(row) for row in found]}) + "\n")


def _row_from(figures: dict[str, Any]) -> Row:
    return Row(**{**figures, **{name: Costs(**figures[name]) for name in ("forecast", "counted")}})


def summary(found: Sequence[Row]) -> dict[str, float]:
    """How many networks, rows and ratios there are, the shares of them within the errors aimed at, and the largest
    errors."""
    times, peaks = ([abs(row.error(figure)) for row in found] for figure in ("ms", "peak_bytes"))
    ratios = [abs(error) for error in _ratio_errors(found)]
    return {
        "networks": len({row.network for row in found}), "rows": len(found), "ratios": len(ratios),
        "time_within": _share(times, TIME), "time_largest": max(times, default=0.0),
        "peak_within": _share(peaks, PEAK), "peak_largest": max(peaks, default=0.0),
        "ratio_within": _share(ratios, RATIO), "ratio_largest": max(ratios, default=0.0),
    }  # fmt: skip


def _share(errors: Sequence[float], bound: float) -> float:
    return sum(error <= bound for error in errors) / len(errors) if errors else 1.0


def _ratio_errors(found: Sequence[Row]) -> list[float]:
    """Of the time of each plain network over its model's."""
    pairs = {(row.network, row.precision, row.target, row.variant): row for row in found}
    errors = []
    for (network, precision, target, variant), plain in pairs.items():
        own = pairs.get((network, precision, target, "as it is"))
        if variant == "plain" and own is not None:
            errors.append((plain.forecast.ms / own.forecast.ms) / (plain.counted.ms / own.counted.ms) - 1)
    return errors


_COLOURS = ("#1f6fb5", "#1f7a34", "#b5531f", "#7a1f6f", "#5d6670")


def plot(found: Sequence[Row]) -> str:
    """An SVG: for each network a line with a dot for every row at its error in time, the tenth that is aimed at marked.
    A colour is a precision on a core; a ring is a plain network.
    """
    networks = list(dict.fromkeys(row.network for row in found))
    forms = list(dict.fromkeys((row.precision, row.target) for row in found))
    width, left, top, height = 820.0, 190.0, 26.0, 15.0
    scale = (width - left - 20) / 2 / max([TIME * 1.5, *(abs(row.error("ms")) for row in found)])
    middle, bottom = left + (width - left - 20) / 2, top + height * len(networks)
    legend = [group(element("circle", cx=left + 8 + 155 * place, cy=10, r=4, fill=_COLOURS[place % len(_COLOURS)]),
                    text(left + 16 + 155 * place, 14, f"{precision}, {target}"))
              for place, (precision, target) in enumerate(forms)]  # fmt: skip
    marks = [element("line", x1=middle + at * scale, y1=top, x2=middle + at * scale, y2=bottom, stroke="#9aa3ad",
                     **({"stroke_dasharray": "4 3"} if at else {})) for at in (-TIME, 0.0, TIME)]  # fmt: skip
    below = [text(middle + at * scale, bottom + 14, f"{at:+.0%}" if at else "error of time", text_anchor="middle")
             for at in (-TIME, 0.0, TIME)]  # fmt: skip
    names = [text(left - 8, top + 11 + index * height, name, text_anchor="end") for index, name in enumerate(networks)]
    dots = []
    for row in found:
        colour = _COLOURS[forms.index((row.precision, row.target)) % len(_COLOURS)]
        own = title(f"{_named(row)}: {row.error('ms'):+.1%}")
        dots.append(element("circle", own, cx=middle + row.error("ms") * scale,
                            cy=top + 7.5 + networks.index(row.network) * height, r=4, stroke=colour, stroke_width=1.5,
                            fill=colour if row.variant == "as it is" else "none"))  # fmt: skip
    style = "text{font:10px sans-serif;fill:#20252b}"
    pieces = (*legend, *marks, *below, *names, *dots)
    return document(width, bottom + 20, style, *pieces, label="Error of the time that is forecast") + "\n"


def _named(row: Row) -> str:
    return f"{row.network}, {row.variant}, {row.precision}, {row.target}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", help="a board or a core; cortex-a72 and cortex-a76 by default")
    parser.add_argument("--precision", action="append", choices=get_args(Precision), help="float32 by default")
    parser.add_argument("--only", default="*", metavar="GLOB", help="names of networks")
    parser.add_argument("--kept", type=Path, metavar="FOLDER", help="where counts are kept")
    parser.add_argument("--record", type=Path, metavar="FILE.jsonl", help="where rows are added; a run goes on there")
    parser.add_argument("--known", action="store_true", help="count nothing: only what is kept")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the errors of time")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    specs = [spec for spec in NETWORKS if fnmatch.fnmatch(_name(spec), options.only)]
    targets, precisions = options.target or ["cortex-a72", "cortex-a76"], options.precision or [SINGLE]
    found: list[Row] = []
    skipped: list[Skipped] = []
    try:
        record = None if options.record is None else Record(options.record)
        for row in rows(specs, targets, precisions, options.kept, options.known, record=record):
            print(
                f"{row.add}: {row.reason}" if isinstance(row, Skipped) else f"{_named(row)}: {row.error('ms'):+.1%}",
                file=sys.stderr,
                flush=True,
            )
            found.append(row) if isinstance(row, Row) else skipped.append(row)
    except RdpassError as error:
        print(f"forecast_error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    if options.plot is not None:
        options.plot.write_text(plot(found), encoding="utf-8")
    if options.json:
        print(json.dumps({"summary": summary(found), "rows": [asdict(row) for row in found],
                          "skipped": [asdict(each) for each in skipped]}, indent=1))  # fmt: skip
    else:
        _print(found)


def _print(found: Sequence[Row]) -> None:
    figures = ("ms", "cycles", "dram_bytes", "peak_bytes")
    print_table(
        ("network", "", "precision", "core", ">counted ms", *(f">{figure} off by" for figure in figures)),
        [(row.network, row.variant, row.precision, row.target, f"{row.counted.ms:.2f}",
          *(f"{row.error(figure):+.1%}" for figure in figures)) for row in found],
    )  # fmt: skip
    print(", ".join(f"{name} {value:.4g}" for name, value in summary(found).items()))


if __name__ == "__main__":
    main()

"""``rdpass profile``: where the time of a bundle goes, layer by layer."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from rdpass.cli.verify import KEY_HELP
from rdpass.core.errors import ConfigError
from rdpass.core.places import STDOUT, check_free
from rdpass.core.printable import printable, three_figures

if TYPE_CHECKING:
    from rdpass.profiling.layers import Layer, Profile


def profile_command(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.", metavar="DIR")],
    on: Annotated[
        str | None, typer.Option(metavar="USER@BOARD", help="Measure on a board, reached over ssh; default: here.")
    ] = None,
    runs: Annotated[int, typer.Option(help="Timed inferences, without timers of layers and with.", min=1)] = 100,
    threads: Annotated[int | None, typer.Option(help="Threads; default: the runner's own choice.", min=1)] = None,
    timeout: Annotated[
        float, typer.Option(help="Longest time on the board in seconds, copying excluded.", min=1)
    ] = 600,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page: layers by cost, and the map of memory; - for stdout."),
    ] = None,
    chrome_trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a trace for chrome://tracing or Perfetto; - for stdout.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
    verify_key: Annotated[Path | None, typer.Option(help=KEY_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time each layer of DIR with its own runner: milliseconds, share, operations a second, bytes, what bounds it.

    Whole inferences are timed first without timers of layers, then with them, so that what these cost can be seen.
    With --on, DIR is copied into a temporary folder of the board, checked there, timed, and removed.

    Example: rdpass profile student.rdp --on pi@raspberrypi.local --html profile.html
    """
    from rdpass.core.files import new_file
    from rdpass.profiling.chrome_trace import chrome_trace as trace_of
    from rdpass.profiling.layers import profile
    from rdpass.report.profile_page import profile_page

    written = [place for place in (html, chrome_trace) if place is not None]
    shown = [place for place in written if str(place) == STDOUT]
    if len(shown) + as_json > 1:
        raise ConfigError("of --html, --chrome-trace and --json one can go to stdout; give the others a file")
    _check_places(bundle, [place for place in written if place not in shown], verify_key, force)
    found = profile(bundle, runs=runs, threads=threads, on=on, timeout=timeout, key=verify_key)
    name = bundle.resolve().name
    for place, text in ((html, profile_page), (chrome_trace, trace_of)):
        if place in shown:
            print(text(found, name))
        elif place is not None:
            with new_file(place, force) as temporary:
                temporary.write_text(text(found, name), encoding="utf-8")
    if as_json:
        print(json.dumps(_body(bundle, found), indent=1))
    elif not shown:
        _print(bundle, found)


def _check_places(bundle: Path, places: list[Path], key: Path | None, force: bool) -> None:
    for index, place in enumerate(places):
        if bundle.resolve() in place.resolve().parents:
            raise ConfigError(f"{place} lies in the bundle, which is to stay as it was built; give another place")
        if place.resolve() in [other.resolve() for other in places[:index]]:
            raise ConfigError(f"{place} is given for two files")
        check_free(place, force, inputs=[] if key is None else [key])


def _body(bundle: Path, found: Profile) -> dict[str, Any]:
    more = {"layers_ms": found.layers_ms, "other_ms": found.other_ms, "noisy": found.timing.is_noisy,
            "slowed": found.is_slowed}  # fmt: skip
    return {"bundle": str(bundle), **asdict(found), **more}


def _print(bundle: Path, found: Profile) -> None:
    from rdpass.cli.tables import print_table, size
    from rdpass.profiling.layers import unit_of, words_of

    timing = found.timing
    where = f"{bundle} ({printable(timing.target)}) on {printable(timing.where)}"
    print(f"{where}: medians of {timing.runs} inferences, {_threads(timing.threads)}")
    columns = (
        ">#",
        "kernel",
        ">ms",
        ">share",
        f">{unit_of(found.precision)}",
        ">bytes",
        ">weights",
        "bound by",
        ">peak",
        ">memory",
    )
    print_table(columns, map(_cells, found.layers))
    print("bound by, and the shares of peak arithmetic and memory bandwidth: estimated from the target's figures")
    for words, ms in words_of(found):
        print(f"{words:40}{ms:12.4f} ms")
    busiest = max(range(len(found.layers)), key=found.in_use, default=0)
    print(f"planned memory {size(found.memory_bytes)}; most of it is in use at layer {busiest},"
          f" {size(found.in_use(busiest))}")  # fmt: skip
    for note in found.notes:
        print(note)


def _bound(layer: Layer) -> tuple[str, str, str]:
    if layer.arithmetic is None or layer.memory is None:
        return "", "", ""
    return layer.bound, f"{layer.arithmetic:.0%}", f"{layer.memory:.0%}"


def _threads(count: int | None) -> str:
    if count is None:
        return "threads as the runner likes"
    return "1 thread" if count == 1 else f"{count} threads"


def _cells(layer: Layer) -> tuple[str, ...]:
    from rdpass.cli.tables import size

    kernel = layer.kernel if layer.kind == "kernel" else f"{layer.kernel} ({layer.kind})"
    rate = three_figures(layer.gops) if layer.operations and layer.ms else ""
    return (str(layer.index), escape(printable(kernel)), f"{layer.ms:.4f}", f"{layer.share:.1%}", rate,
            size(layer.bytes), size(layer.weights), *_bound(layer))  # fmt: skip

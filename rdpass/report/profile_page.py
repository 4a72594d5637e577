"""The page of a profile: layers by cost, and the map of planned memory over the layers.

It is one file, which loads nothing from elsewhere. Layers are named as the bundle names them, and bundles may be
anybody's: all text is escaped.
"""

from __future__ import annotations

from markupsafe import Markup

from rdpass.core.call_plan import PlannedMap
from rdpass.core.printable import short_count, three_figures
from rdpass.profiling.layers import Layer, Profile, slowest, unit_of, words_of
from rdpass.report.drawing.svg import element, group, text, title
from rdpass.report.html import render

TEMPLATE = "profile.html.jinja"
WIDTH, HEIGHT = 960.0, 360.0
LEFT, RIGHT, TOP, BOTTOM = 76.0, 12.0, 12.0, 36.0
MOST_MARKS = 20
LEAST_HEIGHT = 0.6
"""Pixels of a map so small that it would not be seen."""


def profile_page(profile: Profile, name: str) -> str:
    """The page of ``profile`` as HTML; ``name``: the bundle's."""
    timing = profile.timing
    threads = "threads as the runner likes" if timing.threads is None else f"threads: {timing.threads}"
    busiest = max(range(len(profile.layers)), key=profile.in_use, default=0)
    planned, used = (short_count(count, "B") for count in (profile.memory_bytes, profile.in_use(busiest)))
    return render("rdpass.report", TEMPLATE, {
        "name": name,
        "verdict": _verdict(profile),
        "about": f"{profile.precision}, built for {timing.target} · on {timing.where} · medians of {timing.runs}"
                 f" inferences after {timing.warmup} · {threads}",
        "notes": profile.notes,
        "sums": [(words, f"{ms:.4f} ms") for words, ms in words_of(profile)],
        "unit": unit_of(profile.precision),
        "rows": [_row(layer) for layer in slowest(profile.layers)],
        "arena": Markup(memory_map(profile)),
        "memory": f"{planned} in all; most of it is in use at layer {busiest}, {used}.",
    })  # fmt: skip


def _verdict(profile: Profile) -> str:
    """How few layers take half of the time."""
    taken, count = 0.0, 0
    for layer in slowest(profile.layers):
        if taken >= 0.5:
            break
        taken, count = taken + layer.share, count + 1
    layers = "layer takes" if count == 1 else f"{count} layers take"
    return (
        f"{three_figures(profile.timing.p50_ms)} ms an inference. The slowest {layers} {taken:.0%} of what all"
        f" {len(profile.layers)} take."
    )


def _row(layer: Layer) -> tuple[str | Markup, ...]:
    kernel = layer.kernel if layer.kind == "kernel" else f"{layer.kernel} ({layer.kind})"
    rate = three_figures(layer.gops) if layer.operations and layer.ms else ""
    bar = Markup('{:.1f} %<span class="share"><i style="width: {:.1f}%"></i></span>').format(
        100 * layer.share, 100 * layer.share
    )
    return (str(layer.index), kernel, f"{layer.ms:.4f}", f"{layer.p95_ms:.4f}", bar, rate, f"{layer.bytes:,}",
            f"{layer.weights:,}", layer.bound_words)  # fmt: skip


def memory_map(profile: Profile) -> str:
    """What lies where in the planned memory (upwards) during each layer (from left to right), as an ``svg`` element.

    The pointer on a map tells its bytes and how long it is in use.
    """
    return element(
        "svg", title("planned memory over the layers"), _axes(profile), *(_box(profile, each) for each in profile.maps),
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}", width=WIDTH, height=HEIGHT, role="img",
    )  # fmt: skip


def _x(profile: Profile, call: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * call / max(1, len(profile.layers))


def _y(profile: Profile, offset: int) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * offset / max(1, profile.memory_bytes)


def _box(profile: Profile, each: PlannedMap) -> str:
    left, right = _x(profile, each.first), _x(profile, each.last + 1)
    top, bottom = _y(profile, each.offset + each.bytes), _y(profile, each.offset)
    lived = f"layer {each.first}" if each.first == each.last else f"layers {each.first} to {each.last}"
    words = title(f"{each.kind}, {each.bytes} bytes at {each.offset}, {lived}")
    height = max(LEAST_HEIGHT, bottom - top)
    return group(words, element("rect", x=left, y=top, width=right - left, height=height, class_=each.kind))


def _axes(profile: Profile) -> str:
    pieces = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        offset = round(share * profile.memory_bytes)
        y = _y(profile, offset)
        pieces.append(element("line", x1=LEFT, y1=y, x2=WIDTH - RIGHT, y2=y, class_="grid"))
        pieces.append(text(LEFT - 6, y + 4, short_count(offset, "B"), text_anchor="end"))
    count = len(profile.layers)
    for call in range(0, count, max(1, -(-count // MOST_MARKS))):
        x = (_x(profile, call) + _x(profile, call + 1)) / 2
        pieces.append(text(x, HEIGHT - BOTTOM + 16, str(call), text_anchor="middle"))
    pieces.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 4, "layer", text_anchor="middle"))
    return group(*pieces)

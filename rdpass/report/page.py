"""``write_report``: the page of a run, one file without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from markupsafe import Markup
from torch.fx import GraphModule

from rdpass.core.comparison import NumericGate, gate_words
from rdpass.core.errors import IntegrityError
from rdpass.core.files import new_file
from rdpass.core.places import check_free
from rdpass.core.plan import Choice, Cost, Estimated, Outcome, Region
from rdpass.core.printable import short_count, three_figures
from rdpass.passes.graph.node_kinds import annotate_kinds
from rdpass.report.chart import Chart
from rdpass.report.drawing.inlined import inlined
from rdpass.report.drawing.labels import times
from rdpass.report.drawing.page import STYLE
from rdpass.report.headline import Run, cards, gates_told, is_close, sentences
from rdpass.report.html import render
from rdpass.report.layers import layers_by_cost
from rdpass.report.merging import pair_rows
from rdpass.report.pruning import width_rows
from rdpass.report.series import Figure, figures_of
from rdpass.report.worth import choice_name
from rdpass.runs.folder import DRAWING, PROGRAM, SETTINGS, Record, read_body, read_record, read_student, written_files
from rdpass.training.checkpoint import LAST_STAGE
from rdpass.training.records import HISTORY, read_history

TEMPLATE = "page.html.jinja"
Row = tuple[str | Markup, ...]


def write_report(run: str | Path, html: str | Path, *, force: bool = False) -> Path:
    """Write what ``convert`` left in ``run`` as one HTML file, and return its path.

    Raises:
        ConfigError: ``run`` is not the folder of a conversion, or the file can't be written.
        IntegrityError: a file of the run is not what was written.
    """
    folder, path = Path(run), Path(html)
    check_free(path, force, inputs=[folder / name for name in written_files(folder) or ()])
    page = report_page(folder)
    with new_file(path, force) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def report_page(run: str | Path) -> str:
    """The same as text.

    Raises:
        ConfigError: ``run`` is not the folder of a conversion.
        IntegrityError: a file of the run is not what was written.
    """
    folder = Path(run)
    return render("rdpass.report", TEMPLATE, _facts(folder, read_record(folder), read_body(folder)["versions"]))


def _facts(folder: Path, record: Record, versions: dict[str, str]) -> dict[str, Any]:
    told = None if record.int8 is None else record.int8.training
    teacher = _teacher(record)
    before, after = record.plan.forecast.model, record.cost
    run = Run(record.outcomes, record.gates, record.compared, before, after, record.estimated, record.pruning, told)
    settings = folder / SETTINGS
    return {
        "name": folder.resolve().name,
        "recipe": record.recipe,
        "versions": ", ".join(f"{package} {version}" for package, version in versions.items()),
        "verdict": " ".join(sentences(run)),
        "cards": list(cards(run)),
        "drawing": _drawing(folder),
        "drawing_style": Markup(STYLE),
        "figures": _drawn(figures_of(read_history(folder / HISTORY), teacher)),
        "int8": told,
        "int8_figures": _drawn(figures_of(read_history(folder / LAST_STAGE / HISTORY), teacher), ", in int8"),
        "outcomes": _outcomes(record.outcomes, record.plan.regions),
        "skipped": [(other.add, other.reason) for other in record.plan.skipped],
        "layers": _layers(folder),
        "compared": [(each.name, f"{each.images:,}", str(each.teacher), str(each.student), str(each.difference))
                     for each in record.compared],
        "costs": _costs(before, after),
        "estimated": None if record.estimated is None else _estimated(record.estimated),
        "pruning": record.pruning,
        "widths": [] if record.pruning is None else width_rows(record.pruning.widths),
        "merging": record.merging,
        "pairs": [] if record.merging is None else pair_rows(record.merging.pairs),
        "gates": [_gate(gate) for gate in record.gates],
        "gates_told": gates_told(record.gates),
        "gate_is_close": any(map(is_close, record.gates)),
        "settings": settings.read_text(encoding="utf-8") if settings.exists() else "",
    }  # fmt: skip


def _teacher(record: Record) -> dict[str, float]:
    """What the teacher has in the measures of the history."""
    measures = {"top-1": "accuracy", "loss": "validation_loss"}
    return {measures[each.name]: each.teacher.value for each in record.compared if each.name in measures}


def _drawing(folder: Path) -> Markup | None:
    """The network with the bytes live before and after; None in folders of versions that drew none.

    Raises:
        IntegrityError: the file is no drawing.
    """
    path = folder / DRAWING
    if not path.is_file():
        return None
    try:
        return Markup(inlined(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise IntegrityError(f"{folder}: {DRAWING} can't be read: {error}; convert the model again") from error


def _layers(folder: Path) -> list[Row]:
    """Rows of layer, kind, shape, multiply-accumulates and their share, weights, and what it writes."""
    if not (folder / PROGRAM).is_file():
        return []
    student = read_student(folder)[0]
    assert isinstance(student, GraphModule)
    annotate_kinds(student)
    layers = layers_by_cost(student)
    total = sum(layer.macs for layer in layers)
    return [
        (layer.path, layer.what, layer.shape, short_count(layer.macs), _share(layer.macs / total),
         short_count(layer.weight_bytes, "B"), short_count(layer.written_bytes, "B"))
        for layer in layers
    ]  # fmt: skip


def _share(part: float) -> Markup:
    bar = Markup('<span class="share"><i style="width:{:.1f}%"></i></span>').format(100 * part)
    return Markup("<span>{:.1f} %{}</span>").format(100 * part, bar)


def _outcomes(outcomes: Sequence[Outcome], regions: Sequence[Region]) -> list[Row]:
    region_of = {region.add: region for region in regions}
    rows: list[Row] = []
    for outcome in outcomes:
        region = region_of[outcome.add]
        look = "kept" if outcome.how == "kept" else "gone"
        went = Markup('<span class="{}">{}</span>').format(look, outcome.how)
        shape = times(region.shape)
        rows.append(
            (outcome.add, region.path, region.kind, shape, short_count(region.bytes, "B"), went, outcome.reason)
        )
    return rows


def _estimated(found: Estimated) -> dict[str, Any]:
    """The board, rows of network, milliseconds and sizes, and what could not be estimated."""
    return {"target": found.target, "rows": [_choice(each) for each in found.choices], "skipped": found.skipped}


def _choice(choice: Choice) -> Row:
    sizes = (choice.peak_bytes, choice.weight_bytes, choice.library_bytes)
    return choice_name(choice), f"{three_figures(choice.ms)} ms", *(short_count(size, "B") for size in sizes)


def _gate(gate: NumericGate) -> Row:
    """Name, error, tolerance, the part of it that was used, what it was compared with, how far float32 is off."""
    name, error, tolerance, oracle, off = gate_words(gate)
    used = f"{100 * gate.error / gate.tolerance:.2g} %" if gate.tolerance else ""
    look = "kept" if is_close(gate) else ""
    return name, error, tolerance, Markup('<span class="{}">{}</span>').format(look, used), oracle, off


def _drawn(figures: Sequence[Figure], of: str = "") -> list[Markup]:
    """Charts; ``of`` goes behind their titles."""
    return [Markup(Chart(replace(figure, title=figure.title + of)).draw()) for figure in figures]


def _costs(before: Cost, after: Cost) -> list[Row]:
    """Rows of name, before, after, and the change in per cent."""
    counts = (("multiply-accumulates", "", before.macs, after.macs),
              ("parameters", "", before.parameters, after.parameters),
              ("peak of the activations, adds separate", "B", before.separate.peak_bytes, after.separate.peak_bytes),
              ("peak of the activations, adds in place", "B", before.fused.peak_bytes, after.fused.peak_bytes),
              ("activations read and written, adds in place", "B", before.fused.traffic_bytes,
               after.fused.traffic_bytes))  # fmt: skip
    return [
        (name, short_count(a, unit), short_count(b, unit), f"{100 * (b - a) / a:+.1f} %" if a else "")
        for name, unit, a, b in counts
    ]

"""``write_report``: the page itself, one file without anything from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rdpass.core.comparison import gate_of, gate_words
from rdpass.core.errors import ConfigError
from rdpass.core.estimates import Estimate
from rdpass.core.files import new_file
from rdpass.core.places import check_free
from rdpass.core.plan import Choice, Width
from rdpass.core.printable import three_figures
from rdpass.passes.quantize.report import TrainingReport
from rdpass.report.chart import Chart
from rdpass.report.pruning import width_rows
from rdpass.report.series import Figure, figures_of
from rdpass.report.worth import choice_name, megabytes
from rdpass.runs.folder import RECORD, SETTINGS, read_body, written_files
from rdpass.training.checkpoint import LAST_STAGE
from rdpass.training.records import HISTORY, read_history

TEMPLATE = "page.html.jinja"


def write_report(run: str | Path, html: str | Path, *, force: bool = False) -> Path:
    """Write what ``convert`` left in ``run`` as one HTML file, and return its path.

    Raises:
        ConfigError: ``run`` is not the folder of a conversion, or the file can't be written.
        IntegrityError: a file of the run is not what was written.
    """
    folder, path = Path(run), Path(html)
    check_free(path, force, inputs=[folder / name for name in written_files(folder) or ()])
    try:
        facts = _facts(folder, read_body(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder} is not the output folder of rdpass convert: {RECORD} can't be read") from error
    environment = Environment(
        loader=PackageLoader("rdpass.report", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    with new_file(path, force) as temporary:
        temporary.write_text(environment.get_template(TEMPLATE).render(facts), encoding="utf-8")
    return path


def _facts(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    regions = {region["add"]: region for region in record["plan"]["regions"]}
    figures = figures_of(read_history(folder / HISTORY))
    told = (record.get("int8") or {}).get("training")
    settings = folder / SETTINGS
    return {
        "name": folder.resolve().name,
        "recipe": record["recipe"],
        "versions": record["versions"],
        "went": Counter(outcome["how"] for outcome in record["outcomes"]),
        "outcomes": [{**outcome, **_place(regions[outcome["add"]])} for outcome in record["outcomes"]],
        "skipped": record["plan"]["skipped"],
        "int8": None if told is None else TrainingReport(**told),
        "int8_figures": _drawn(figures_of(read_history(folder / LAST_STAGE / HISTORY))),
        "gates": [(gate, gate_words(gate_of(gate))) for gate in record["gates"]],
        "compared": _compared(record.get("compared", [])),
        "costs": _costs(record["plan"]["forecast"]["model"], record["cost"]),
        "estimated": _estimated(record.get("estimated")),
        "figures": _drawn(figures),
        "pruning": _pruning(record),
        "settings": settings.read_text() if settings.exists() else "",
    }


def _estimated(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """The board, rows of network, milliseconds and sizes, and what could not be estimated; None without a board."""
    if found is None:
        return None
    rows = [
        (choice_name(choice), three_figures(choice.ms), megabytes(choice.peak_bytes), megabytes(choice.weight_bytes))
        for choice in (Choice(**each) for each in found["choices"])
    ]
    return {"target": found["target"], "rows": rows, "skipped": found["skipped"]}


def _pruning(record: dict[str, Any]) -> dict[str, Any] | None:
    """The layers that lost channels and those that can lose none; None where nothing was pruned."""
    found = record.get("pruning")
    if found is None:
        return None
    return {**found, "rows": width_rows(Width(**width) for width in found["widths"])}


def _drawn(figures: Sequence[Figure]) -> list[tuple[str, Markup]]:
    return [(figure.title, Markup(Chart(figure).draw())) for figure in figures]


def _place(region: dict[str, Any]) -> dict[str, Any]:
    return {"path": region["path"], "kind": region["kind"], "shape": "x".join(map(str, region["shape"]))}


def _compared(found: list[dict[str, Any]]) -> list[tuple[str, int, str, str, str]]:
    """Rows of name, images, teacher, student, difference."""
    sides = ("teacher", "student", "difference")
    return [(each["name"], each["images"], *(str(Estimate(**each[side])) for side in sides)) for each in found]  # type: ignore[misc]


def _costs(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Rows of name, before, after, and the change in per cent."""
    rows = [("multiply-accumulates", before["macs"], after["macs"]),
            ("parameters", before["parameters"], after["parameters"])]  # fmt: skip
    for way, words in (("separate", "adds separate"), ("fused", "adds in place")):
        rows.append((f"peak of the activations, {words}, bytes", *(c[way]["peak_bytes"] for c in (before, after))))
    traffic = [c["fused"]["read_bytes"] + c["fused"]["written_bytes"] for c in (before, after)]
    rows.append(("activations read and written, adds in place, bytes", *traffic))
    return [(name, f"{a:,}", f"{b:,}", f"{100 * (b - a) / a:+.1f} %" if a else "") for name, a, b in rows]

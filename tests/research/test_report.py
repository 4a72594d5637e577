"""Pages, tables and plots say what the lines say."""

import json

import pytest

from benchmarks.research.grids.catalogue import GRIDS
from benchmarks.research.report.fronts import front_peak, front_tables, points_of, verdict
from benchmarks.research.report.pages import write_pages
from benchmarks.research.report.plots.draw import PLOTS, draw
from benchmarks.research.report.plots.panels import BEHIND
from benchmarks.research.report.plots.share_by_step import curves
from benchmarks.research.report.rows import by_form, tables_of
from benchmarks.research.report.shares import share_tables
from benchmarks.research.report.side_by_side import depth_tables, size_tables
from benchmarks.research.report.tables import tables

BASE = {
    "grid": "depth", "size": "reduced", "recipe": "migrate", "arm": "migrate + mixed", "settings": {}, "form": "plain",
    "net": "basic-20-w8", "block": "basic", "depth": 20, "width": 8, "seed": 0, "accuracy": 85.0, "validation": 84.5,
    "teacher_accuracy": 86.0, "teacher_validation": 84.75, "gap": 1.0, "data": "fashion-mnist",
    "images": 6400, "pixels": 14, "batch": 64,
    "teacher_epochs": 12, "epochs": 8, "amp": False, "steps": 800, "macs": 2_000_000, "peak_bytes": 12_544,
    "separate_bytes": 12_544, "traffic_bytes": 3_000, "teacher_traffic_bytes": 4_000, "device": "cpu",
}  # fmt: skip


def line(number, **told):
    return {**BASE, "id": f"{number:010d}", **told}


def lines_of(records):
    return "\n".join(tables(records))


def test_seeds_become_mean_and_standard_deviation():
    records = [line(seed, seed=seed, accuracy=85.0 + seed, gap=1.0 - seed) for seed in range(3)]
    text = lines_of(records)
    assert "| migrate + mixed | 86.00 ± 1.00 | 0.00 ± 1.00 | 0.25 ± 0.00 | 0, 1, 2 | 2.00 M | 12.5 / 12.5 | 3 |" in text
    assert "teachers: 86.00, 86.00, 86.00 %" in text


def test_a_single_seed_has_no_spread():
    assert "| migrate + mixed | 85.00 | 1.00 | 0.25 | 0 |" in lines_of([line(0)])


def test_strictly_plain_students_stand_apart_and_losers_are_there():
    records = [
        line(0), line(1, arm="kd, cold", gap=30.0), line(2, arm="kept", form="projections", gap=-1.0),
        line(3, arm="carry", form="carried", gap=0.0),
    ]  # fmt: skip
    (rows,) = tables_of(records).values()
    assert {form: [row.first["arm"] for row in members] for form, members in by_form(rows).items()} == {
        "plain": ["migrate + mixed", "kd, cold"], "projections": ["kept"], "carried": ["carry"],
    }  # fmt: skip
    text = lines_of(records)
    assert text.index("strictly plain") < text.index("kd, cold") < text.index("projections kept") < text.index("carry")


@pytest.mark.parametrize(
    "other",
    [
        {"size": "full"},
        {"device": "NVIDIA H100"},
        {"epochs": 9},
        {"images": 1000},
        {"width": 4},
        {"amp": True},
        {"processor": "A72"},
    ],
)
def test_what_was_made_otherwise_stands_in_another_table(other):
    assert len(tables_of([line(0), line(1, **other)])) == 2


def test_nets_that_differ_in_depth_alone_stand_side_by_side():
    records = [
        line(0, gap=1.0), line(1, depth=56, gap=2.0), line(2, depth=56, arm="kd, cold", gap=30.0),
        line(3, depth=20, arm="kd, cold", gap=0.5), line(4, depth=20, arm="joint, warm", gap=0.1),
        line(5, depth=110, epochs=12, gap=9.0), line(6, depth=56, arm="carry", form="carried", gap=0.0),
    ]  # fmt: skip
    text = "\n".join(depth_tables(records))
    assert text.splitlines()[2:] == [
        "| arm | 20 | 56 |",
        "|---|---|---|",
        "| migrate + mixed | 1.00 | 2.00 |",
        "| kd, cold | 0.50 | 30.00 |",
        "| joint, warm | 0.10 |  |",
    ]
    assert "110" not in text  # trained for longer, so no column of this table, and alone in its own
    assert list(depth_tables([line(0), line(1, block="bottleneck", depth=29)])) == []


def test_numbers_of_images_stand_side_by_side_whatever_epochs_they_take():
    records = [
        line(0, images=1000, epochs=27, teacher_epochs=53, gap=0.1), line(1, images=6400, epochs=4, gap=0.7),
        line(2, images=6400, epochs=4, arm="kd, cold", gap=3.0), line(3, images=6400, epochs=4, width=4, gap=9.0),
        line(4, images=25600, epochs=1, teacher_epochs=2, gap=0.8),
    ]  # fmt: skip
    text = "\n".join(size_tables(records))
    assert text.splitlines()[2:] == [
        "| arm | 1000 | 6400 | 25600 |",
        "|---|---|---|---|",
        "| migrate + mixed | 0.10 | 0.70 | 0.80 |",
        "| kd, cold |  | 3.00 |  |",
    ]


def test_quick_runs_are_not_shown():
    assert lines_of([line(0, size="quick")]) == ""


def test_transferred_networks_are_measured_against_the_residual_one_tuned_alike():
    told = {"recipe": "transfer", "seed": 0}
    records = [
        line(0, **told, arm="residual", accuracy=90.0, form="residual", validation=84.75,
             settings={"of": None, "tuned": "last layer"}),
        line(1, **told, arm="plain", accuracy=88.5, settings={"of": {"recipe": "migrate"}, "tuned": "last layer"}),
        line(2, **told, arm="alone", accuracy=80.0, settings={"of": {"recipe": "migrate"}, "tuned": "all layers"}),
        line(3, **told, arm="at other rates", accuracy=81.0,
             settings={"of": {"recipe": "migrate"}, "tuned": "last layer", "rates": [0.1, 1.0]}),
    ]  # fmt: skip
    for record in records:
        del record["gap"]
    text = lines_of(records)
    assert "| plain | 88.50 | 1.50 | 0.25 |" in text
    assert "| residual | 90.00 | 0.00 | 0.00 |" in text
    assert "| alone | 80.00 |  |  |" in text
    assert "| at other rates | 81.00 |  |  |" in text


def test_every_grid_has_a_page_that_is_the_same_when_its_lines_are(tmp_path):
    results, docs = tmp_path / "results", tmp_path / "docs"
    results.mkdir()
    lines = [line(seed, seed=seed, size="full", depth=depth) for seed, depth in ((0, 20), (1, 20), (2, 56))]
    (results / "depth.jsonl").write_text("".join(json.dumps(told) + "\n" for told in lines))
    pages = write_pages(docs, results)
    assert [page.stem for page in pages] == [*GRIDS, "recipes"]
    text = pages[0].read_text()
    assert text.startswith("# Depth\n")
    assert "](../img/depth.svg)" in text
    assert "| migrate + mixed | 85.00 ± 0.00 |" in text
    assert text.index("| arm | 20 | 56 |") < text.index("| arm | test, % |")
    assert "Runs made: `full` 0 of" in text
    assert "| arm |" not in pages[1].read_text()
    before = {path: path.read_bytes() for path in docs.rglob("*.*")}
    write_pages(docs, results)
    assert {path: path.read_bytes() for path in docs.rglob("*.*")} == before


def test_costs_are_drawn_and_what_there_is_nothing_of_is_not(tmp_path):
    two_sizes = [line(0), line(1, arm="pruned", form="residual"), line(2, size="lean")]
    assert draw("baselines", two_sizes, tmp_path).stat().st_size > 5000
    assert draw("fade-out", [line(0)], tmp_path) is None
    assert draw("depth", [line(0)], tmp_path) is None  # one depth makes no curve
    assert draw("depth", [line(0), line(1, depth=56)], tmp_path).stat().st_size > 5000
    assert draw("ablation", [line(0)], tmp_path) is None


def test_each_arm_has_a_panel_and_those_that_lose_least_come_first():
    from matplotlib.figure import Figure

    arms = [f"arm {number:02}" for number in range(12)]
    lines = [line(2 * number + (depth > 20), arm=arm, depth=depth, gap=12.0 - number)
             for number, arm in enumerate(arms) for depth in (20, 56)]  # fmt: skip
    for name in ("depth", "baselines"):
        figure = Figure(layout="constrained")
        assert PLOTS[name](figure, lines)
        assert [axes.get_title() for axes in figure.axes] == arms[::-1]
        assert all({each.get_color() for each in axes.lines} - {BEHIND, "grey"} for axes in figure.axes)
        assert len([axes for axes in figure.axes if axes.get_xlabel()]) == 4


def test_a_front_has_two_panels_for_each_arm_and_looks_tell_precisions_apart():
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    assert PLOTS["pareto"](figure, FRONT)
    parts = figure.subfigs
    named = [axes.get_title(loc="left") for part in parts for axes in part.axes if axes.get_title(loc="left")]
    arms = {record["arm"] for record in FRONT}
    assert set(named) == arms
    assert sum(len(part.axes) for part in parts) == 2 * len(named)
    assert {text.get_text() for text in figure.legends[0].get_texts()} >= {"float32", "int8"}


def test_shares_are_means_over_the_seeds_stage_by_stage_in_the_networks_order(tmp_path):
    shares = {"add": [[1, 0.8], [401, 0.4]], "add_10": [[1, 0.6], [401, 0.2]], "head": [[1, 0.0], [401, 0.0]]}
    more = {stage: [[step, share / 2] for step, share in points] for stage, points in shares.items()}
    records = [line(0, grid="fade-out", shares=shares), line(1, grid="fade-out", seed=1, shares=more)]
    ((row,),) = tables_of(records).values()
    first, second = curves(row)
    assert first == [(1 / 800, pytest.approx(0.6)), (401 / 800, pytest.approx(0.3))]
    assert second == [(1 / 800, pytest.approx(0.45)), (401 / 800, pytest.approx(0.15))]
    assert list(share_tables(records))[1:] == [
        "| arm | stage 1, start | stage 1, end | stage 2, start | stage 2, end |\n|---|---|---|---|---|",
        "| migrate + mixed | 0.60 | 0.30 | 0.45 | 0.15 |",
        "",
    ]
    assert draw("fade-out", records, tmp_path).stat().st_size > 5000


def priced(number, arm, recipe, accuracy, peak, **told):
    """A line of the grid of fronts; in int8 a point less and a quarter of the bytes."""
    costs = {
        board: {
            "float32": {"ms": ms, "peak_bytes": peak, "dram_bytes": 8000, "weight_bytes": 40_000},
            "int8": {"ms": ms / 2, "peak_bytes": peak / 4, "dram_bytes": 2000, "weight_bytes": 10_000},
        }
        for board, ms in (("rpi4", 0.5), ("rpi5", 0.25))
    }
    settings = {"of": {"recipe": recipe, "settings": {}}}
    return line(number, grid="pareto", arm=arm, recipe="priced", settings=settings, accuracy=accuracy,
                gap=round(86.0 - accuracy, 2), int8_accuracy=accuracy - 1, costs=costs, **told)  # fmt: skip


FRONT = [
    priced(0, "as it is", "keep", 86.0, 40_000, form="residual"),
    priced(1, "pruned by 25 %", "prune", 85.0, 30_000, form="residual"),
    priced(2, "pruned by 50 %", "prune", 84.0, 20_000, form="residual"),
    priced(3, "narrower", "smaller", 85.9, 1_000, form="residual"),
    priced(4, "pruned by 25 %, then plain", "staged", 84.5, 15_000),
]


def test_the_front_of_pruned_networks_takes_the_least_peak_that_is_as_accurate():
    (rows,) = tables_of(FRONT).values()
    points = points_of(rows, "float32")
    peaks = {point.arm: front_peak(point, points) for point in points}
    assert [point.arm for point in points][:2] == ["as it is", "narrower"]
    assert peaks["pruned by 25 %, then plain"] == 30_000
    assert peaks["narrower"] == 40_000
    assert peaks["pruned by 50 %"] == 20_000


def test_the_verdict_says_whether_pruned_and_plain_lies_on_the_front_or_below():
    first, second = verdict(FRONT)
    assert "lies on or above" in first
    assert "all 2 networks" in first
    assert "2.00 to 2.00 (20 layers of BasicBlocks, width 8, float32)" in second
    worse = [*FRONT, priced(5, "pruned by 50 % and plain at once", "narrowed", 83.0, 25_000)]
    first, second = verdict(worse)
    assert "does not lie on or above" in first
    assert "of 4 networks" in first
    assert "2 lie below it" in first
    assert "0.80 to 2.00" in second
    (nothing,) = verdict(FRONT[:4])
    assert nothing.startswith("No network that is pruned and plain has been recorded yet")


def test_a_front_has_its_table_in_either_precision_and_its_plot(tmp_path):
    text = "\n".join(front_tables(FRONT))
    assert "| pruned by 25 %, then plain | 84.50 | 1.50 | 0 | 0.500 | 0.250 | 15.0 | 8 | 40 | 2.00 times |" in text
    assert "| pruned by 25 %, then plain | 83.50 | 2.50 | 0 | 0.250 | 0.125 | 3.8 | 2 | 10 | 2.00 times |" in text
    assert draw("pareto", FRONT, tmp_path).stat().st_size > 5000
    assert draw("pareto", [line(0)], tmp_path) is None


def test_the_page_of_fronts_begins_with_the_verdict(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    (results / "pareto.jsonl").write_text("".join(json.dumps(told) + "\n" for told in FRONT))
    (page,) = (page for page in write_pages(tmp_path / "docs", results) if page.stem == "pareto")
    title, blank, first = page.read_text().splitlines()[:3]
    assert (title, blank) == ("# Pareto", "")
    assert first.startswith("**Pruned *and* plain lies on or above")

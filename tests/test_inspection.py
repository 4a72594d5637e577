"""What ``rdpass inspect`` prints, writes and draws."""

import json
import re
from importlib import resources
from xml.etree import ElementTree

import jsonschema
import pytest
import torch
from torch import nn
from torch.fx import symbolic_trace

from rdpass.cli.app import run
from rdpass.cli.plan_json import plan_as_json
from rdpass.core.errors import ConfigError
from rdpass.core.plan import Traced
from rdpass.inspection import inspect, plan_of
from rdpass.passes.graph.annotate import annotate
from rdpass.report.drawing.curve import HELD, LIVE
from rdpass.report.drawing.lanes import Wire, lanes
from rdpass.report.drawing.roles import parts_of
from rdpass.report.verdict import verdict
from tests.models import (
    PositionalEmbedding,
    PreActivation,
    Residual,
    SqueezeExcite,
    TwoInputs,
    UNet,
    basic_block,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
    seeded,
    small_resnet_of_four,
)
from tests.support import Untouched, lines_run

RESNET, INPUT = "tests.test_inspection:resnet", ("--input", "1x3x16x16")
SVG = "{http://www.w3.org/2000/svg}"


def resnet():
    return small_resnet_of_four()


def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())


def bottlenecks():
    return seeded(lambda: nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), bottleneck(8, 2), bottleneck(8, 2), bottleneck(8, 2)))


class Several(nn.Module):
    """Two inputs, three outputs, a nested region, an add that is none, a concat and an output halfway."""

    def __init__(self):
        super().__init__()
        self.stem, self.other = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(3, 4, 1)
        self.outer = Residual(nn.Sequential(basic_block(4, 4), nn.Conv2d(4, 4, 1)))
        self.gate = SqueezeExcite(4)
        self.position = nn.Parameter(torch.zeros(1, 4, 8, 8))

    def forward(self, x, y):
        a = self.stem(x) + self.position
        b = self.outer(a)
        return torch.cat([self.gate(b), self.other(y)], 1), b, a


CASES = {
    "resnet": (resnet, [(1, 3, 16, 16)]),
    "plain": (plain, [(1, 3, 8, 8)]),
    "bottlenecks": (bottlenecks, [(1, 3, 8, 8)]),
    "mobile": (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), inverted_residual(4, 12)), [(1, 3, 8, 8)]),
    "pre-activation": (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), PreActivation(4)), [(1, 3, 8, 8)]),
    "several": (Several, [(1, 3, 8, 8), (1, 3, 8, 8)]),
    "unet": (UNet, [(1, 3, 8, 8)]),
    "two inputs": (TwoInputs, [(2, 3, 8, 8), (2, 3, 8, 8)]),
    "constants": (PositionalEmbedding, [(1, 3, 8, 8)]),
    "one dimension": (lambda: Residual(nn.Conv1d(3, 3, 3, 1, 1)), [(1, 3, 9)]),
    "identity": (nn.Identity, [(1, 3)]),
}


@pytest.fixture(scope="module", params=CASES)
def inspected(request, tmp_path_factory):
    """A plan and its drawing, for every case; the model must not have been touched."""
    build, shapes = CASES[request.param]
    model = seeded(build)
    before = Untouched(model)
    path = tmp_path_factory.mktemp("svg") / "net.svg"
    found = inspect(model, [torch.randn(shape) for shape in shapes], target="rpi4", svg=path)
    before.check()
    return found, path.read_text(encoding="utf-8")


def schema():
    return json.loads(resources.files("rdpass").joinpath("schemas/inspect-1.schema.json").read_text())


def test_every_document_follows_the_schema_and_the_schema_names_every_field(inspected):
    document = json.loads(json.dumps(plan_as_json(inspected[0])))
    described = schema()
    jsonschema.Draft202012Validator.check_schema(described)
    jsonschema.validate(document, described)
    check_all_named(document, described, described)


def check_all_named(value, described, root):
    if "$ref" in described:
        described = root["$defs"][described["$ref"].rpartition("/")[2]]
    if isinstance(value, dict):
        assert set(value) <= set(described["properties"]), described.get("description")
        for key, inner in value.items():
            check_all_named(inner, described["properties"][key], root)
    elif isinstance(value, list) and "items" in described:
        for inner in value:
            check_all_named(inner, described["items"], root)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("forecast"),
        lambda document: document.update(schema_version=2),
        lambda document: document["forecast"]["model"]["fused"].update(schedule="best"),
        lambda document: document["regions"][0].update(verdict="maybe"),
        lambda document: document["regions"][0]["held"].update(bytes=-1),
    ],
)
def test_the_schema_refuses_what_is_not_such_a_document(spoil):
    document = plan_as_json(inspect(resnet(), torch.randn(1, 3, 16, 16)))
    document = json.loads(json.dumps(document))
    jsonschema.validate(document, schema())
    spoil(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_every_figure_of_a_plan_is_consistent(inspected):
    found, _ = inspected
    forecast = found.forecast
    assert [block.add for block in forecast.blocks] == [region.add for region in found.regions]
    for cost in (forecast.model, forecast.plain):
        for memory in (cost.separate, cost.fused, cost.tiled):
            assert 0 <= memory.at_least_bytes <= memory.peak_bytes
            assert memory.schedule == "optimal"
            assert memory.written_bytes == memory.feature_bytes
        assert cost.tiled.traffic_bytes <= cost.fused.traffic_bytes <= cost.separate.traffic_bytes
        assert cost.fused.peak_bytes <= cost.separate.peak_bytes
    assert forecast.plain.fused.peak_bytes <= forecast.model.fused.peak_bytes
    assert forecast.plain.macs <= forecast.model.macs
    for block in forecast.blocks:
        assert block.at_peak_bytes <= block.held_bytes <= forecast.model.fused.peak_bytes
        assert bool(block.held_bytes) == bool(block.held_kernels)
        assert block.recipe in ("merge", "carry", None)
        assert block.exact_reason != "not priced"


def test_a_drawing_is_well_formed_and_shows_every_kernel_with_a_tooltip(inspected):
    found, drawn = inspected
    root = ElementTree.fromstring(drawn)
    assert root.tag == f"{SVG}svg"
    assert float(root.get("width")) > 400
    bars = [group for group in root.iter(f"{SVG}g") if group.get("class") == "live"]
    assert len(bars) == found.forecast.model.fused.kernels
    for bar in bars:
        assert "live while" in bar.find(f"{SVG}title").text
    numbers = re.findall(r'(?:x|y|width|height)="([^"]*)"', drawn)
    assert numbers
    assert not [number for number in numbers if "nan" in number or "inf" in number]


def classes(drawn):
    """How often each role colours a chip, by the tooltips' last lines."""
    root = ElementTree.fromstring(drawn)
    chips = [group for group in root.iter(f"{SVG}g") if group.get("class") in ("fork", "body", "shortcut", "add")]
    return {(group.get("class"), group.find(f"{SVG}title").text.splitlines()[0]) for group in chips}


def test_a_drawing_colours_fork_body_shortcut_and_add_of_every_region(inspected):
    found, drawn = inspected
    coloured = classes(drawn)
    names = {name for _, name in coloured}
    for region in found.regions:
        assert ("add", region.add) in coloured
        assert {name for name in (region.fork, *region.shortcut)} & names
        assert any(name in names for name in region.body)
    if not found.regions:
        assert not coloured


def test_bars_say_what_is_held_and_their_lengths_are_in_proportion(tmp_path):
    model = bottlenecks()
    found = inspect(model, torch.randn(1, 3, 8, 8), svg=tmp_path / "net.svg")
    root = ElementTree.parse(tmp_path / "net.svg").getroot()
    bars = [group for group in root.iter(f"{SVG}g") if group.get("class") == "live"]
    lengths, amounts = [], []
    for bar in bars:
        boxes = bar.findall(f"{SVG}rect")
        assert boxes[0].get("fill") == LIVE
        lengths.append(sum(float(box.get("width")) for box in boxes))
        amounts.append(bar.find(f"{SVG}title").text)
    held = [bar for bar in bars if any(box.get("fill") == HELD for box in bar.findall(f"{SVG}rect"))]
    assert len(held) == sum(block.held_kernels for block in found.forecast.blocks) == 3
    wide = 8 * 64 * 4
    assert max(lengths) / min(lengths) == pytest.approx(
        found.forecast.model.fused.peak_bytes / (wide + wide / 4), rel=0.02
    )


def test_a_kept_shortcut_is_drawn_dashed_and_a_fork_that_is_an_add_too_has_a_stripe(tmp_path):
    blocks = nn.Sequential(nn.Conv2d(4, 4, 1), PreActivation(4), PreActivation(4))
    inspect(seeded(lambda: blocks), torch.randn(1, 4, 8, 8), skip=("add_1",), svg=tmp_path / "a.svg")
    drawn = (tmp_path / "a.svg").read_text()
    assert "(kept)" in drawn
    assert "add of add, and a fork" in drawn


def test_names_that_are_markup_do_not_break_a_drawing_or_a_table(tmp_path, capsys):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleDict({"[bold]<&>\x07": nn.Conv2d(3, 3, 3, 1, 1)})

        def forward(self, x):
            return self.layers["[bold]<&>\x07"](x) + x

    Odd.__name__ = "<Odd & 'co'>"
    from rdpass.cli.forecast_tables import print_plan

    found = inspect(Odd(), torch.randn(1, 3, 8, 8), svg=tmp_path / "odd.svg")
    ElementTree.parse(tmp_path / "odd.svg")
    print_plan(found)
    assert "[bold]<&>" in capsys.readouterr().out


def test_a_thousand_nodes_are_drawn_with_as_many_lanes_as_maps_overlap(tmp_path):
    blocks = [Residual(nn.Sequential(*conv_bn(2, 2, 1), nn.ReLU(), *conv_bn(2, 2, 1))) for _ in range(170)]
    found = inspect(seeded(lambda: nn.Sequential(nn.Conv2d(3, 2, 1), *blocks)), torch.randn(1, 3, 2, 2),
                    svg=tmp_path / "deep.svg")  # fmt: skip
    assert len(found.regions) == 170
    root = ElementTree.parse(tmp_path / "deep.svg").getroot()
    assert float(root.get("width")) < 1500


def test_lanes_are_shared_by_wires_that_do_not_overlap():
    wires = [Wire("a", 0, (5,), ()), Wire("b", 1, (3,), ()), Wire("c", 3, (), (9,)), Wire("d", 5, (7,), ())]
    found = lanes(wires)
    assert len(set(found.values())) == 2
    assert found["a"] != found["b"]
    assert found["c"] == found["b"]


def test_inner_regions_colour_their_nodes_before_outer_ones():
    found = inspect(seeded(Several), (torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 8)))
    inner = min(found.regions, key=lambda region: len(region.body))
    parts = parts_of(found.regions)
    assert {parts[name].add for name in inner.body} == {inner.add}


def test_a_drawing_never_overwrites_without_force_and_is_refused_before_the_work(tmp_path):
    (tmp_path / "net.svg").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        inspect(nn.Identity(), torch.zeros(1), svg=tmp_path / "net.svg")
    assert (tmp_path / "net.svg").read_text() == "mine"
    inspect(resnet(), torch.randn(1, 3, 16, 16), svg=tmp_path / "net.svg", force=True)
    assert (tmp_path / "net.svg").read_text().startswith("<?xml")


def test_the_command_prints_every_table_the_estimate_and_the_verdict(capsys, tmp_path):
    assert run(["inspect", RESNET, *INPUT, "--target", "rpi4", "--svg", str(tmp_path / "net.svg")]) == 0
    shown = capsys.readouterr().out
    for words in ("exact recipe", "adds fused, in place", "estimated ms on rpi4", "1 core", "4 cores",
                  "not a measurement", "Removing the 2 shortcuts"):  # fmt: skip
        assert words in shown
    assert (tmp_path / "net.svg").exists()


def test_an_estimate_of_seconds_is_printed_without_an_exponent(capsys):
    assert run(["inspect", RESNET, "--input", "1x3x1024x1024", "--target", "rpi3"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(" model, adds fused")]
    assert re.search(r"\d to \d{3,}\b", line)
    assert "e+" not in line


def test_the_command_prints_json_that_follows_the_schema(capsys):
    assert run(["inspect", RESNET, *INPUT, "--target", "graviton3", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema())
    assert document["forecast"]["target"] == "graviton3"
    assert document["regions"][1]["exact"]["recipe"] == "carry"


def test_globs_select_a_module_with_all_in_it_and_one_that_names_nothing_is_refused(capsys):
    def verdicts(*options):
        assert run(["inspect", RESNET, *INPUT, "--json", *options]) == 0
        return [region["verdict"] for region in json.loads(capsys.readouterr().out)["regions"]]

    assert verdicts("--only", "1") == ["removable", "kept"]
    assert verdicts("--only", "[12]", "--skip", "2.b*") == ["removable", "kept"]
    assert verdicts("--skip", "*") == ["kept", "kept"]
    for option in ("--only", "--skip"):
        assert run(["inspect", RESNET, *INPUT, option, "layer9.*"]) == 2
        assert "'layer9.*' names no add and no module with one" in capsys.readouterr().err


def test_an_unknown_target_ends_with_the_code_of_targets(capsys):
    assert run(["inspect", RESNET, *INPUT, "--target", "nope"]) == 6
    assert "no target is called 'nope'" in capsys.readouterr().err


def test_the_verdict_names_what_is_gained_and_where_nothing_is():
    nothing = inspect(nn.Sequential(nn.Conv2d(3, 4, 1), basic_block(4, 4)), torch.randn(1, 3, 8, 8)).forecast
    assert "gains nothing in peak memory: 2.0 kB with and without" in nothing.verdict
    assert "Where adds are kernels of their own it falls from 3.1 kB to 2.0 kB" in nothing.verdict
    wide = nn.Sequential(nn.Conv2d(1, 8, 1), bottleneck(8, 2), bottleneck(8, 2), nn.Conv2d(8, 2, 1))
    gain = inspect(seeded(lambda: wide), torch.randn(1, 1, 8, 8)).forecast
    assert "Tiled kernels, which the shortcuts forbid, bring the plain net to" in gain.verdict
    assert verdict(gain.model, gain.plain, 0) == "There is no shortcut to remove."
    kept = inspect(seeded(lambda: wide), torch.randn(1, 1, 8, 8), skip=("*",)).forecast
    assert kept.verdict == "There is no shortcut to remove: all 2 are kept."
    assert kept.plain == kept.model


def test_the_bottleneck_that_sets_the_peak_is_the_one_whose_shortcut_is_charged_for_it():
    model = classifier(bottleneck(8, 2, out=16), bottleneck(16, 8, stride=2, out=32), channels=32)
    found = inspect(seeded(lambda: model), torch.randn(1, 3, 16, 16)).forecast
    charged = [block for block in found.blocks if block.at_peak_bytes]
    assert len(charged) <= 1
    if charged:
        assert found.plain.fused.peak_bytes < found.model.fused.peak_bytes


def deep(blocks):
    layers = [
        Residual(nn.Sequential(*conv_bn(2, 2), nn.ReLU(), *conv_bn(2, 2)), None, nn.ReLU()) for _ in range(blocks)
    ]
    return nn.Sequential(*layers).eval()


@pytest.mark.slow
def test_a_network_of_a_thousand_nodes_is_inspected_and_drawn(tmp_path):
    found = inspect(deep(143), torch.randn(1, 2, 4, 4), target="rpi4", svg=tmp_path / "deep.svg")
    assert len(found.regions) == 143


@pytest.mark.slow
def test_eight_times_the_nodes_take_about_eight_times_the_work_to_forecast():
    def work(blocks):
        graph_module = symbolic_trace(deep(blocks))
        annotate(graph_module, (torch.randn(1, 2, 4, 4),))
        return lines_run(plan_of, Traced(graph_module, (torch.randn(1, 2, 4, 4),)))

    work(4)
    assert work(400) < 12 * work(50)

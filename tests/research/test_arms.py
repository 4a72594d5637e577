"""Every arm of every grid trains a step or two, and says truly what came out."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import rdpass
from benchmarks.research.arms import priced_arm
from benchmarks.research.arms.cured_arm import CuredArm
from benchmarks.research.arms.exits import Exits
from benchmarks.research.arms.footprint import footprint_of, plain_footprint
from benchmarks.research.arms.leaving import at_threshold, highest_threshold
from benchmarks.research.arms.recipe_arm import load_student
from benchmarks.research.arms.smaller_arm import SmallerArm
from benchmarks.research.arms.staged_arm import shared_out
from benchmarks.research.grids import depth, pareto, small
from benchmarks.research.grids.ablation import cut, joint_arms
from benchmarks.research.grids.catalogue import GRIDS
from benchmarks.research.grids.grid import Cell, Run, runs_of
from benchmarks.research.networks import Net
from benchmarks.research.protocols import SIZES
from benchmarks.research.runs.making import has_teacher, make
from rdpass.passes.analysis.shortcuts.check_plain import find_not_plain
from tests.research.conftest import TINY


def size_for(grid):
    """Half of a network of width 4 can't leave in blocks of four channels."""
    return replace(TINY, width=8) if grid is pareto.PARETO else TINY


def every_run():
    """All that differ, on nets of three blocks."""
    with pytest.MonkeyPatch.context() as patch:
        for block, layers in (("basic", 8), ("bottleneck", 11)):
            patch.setitem(depth.DEPTHS, block, (layers,) * 4)
        patch.setattr(small, "DEPTHS", (8,))
        patch.setattr(small, "FEW", (32,))
        patch.setattr(pareto, "INVERTED", 11)
        found = [run for grid in GRIDS.values() for run in runs_of(grid, size_for(grid), [0], amp=False)]
    return list({run.identity: run for run in reversed(found)}.values())[::-1]


def needed(run):
    """Packages that an arm can't do without, and nets that are too small for it."""
    if run.cell.arm.recipe == "prune":
        pytest.importorskip("torch_pruning")
    if run.cell.arm.recipe == "transfer":
        pytest.importorskip("sklearn")


def is_slow(run):
    """Each kind of arm once, on either net, is enough for every day."""
    arm, block = run.cell.arm, run.cell.net.block
    if run.grid == "ablation":
        return not arm.name.startswith(("migrate: linear", "joint Dirac"))
    if isinstance(arm, CuredArm):
        return block == "basic" or arm.of is None or arm.cure not in ("outputs", "trained")
    if arm.recipe in ("int8", "transfer"):
        return block == "basic" or not arm.name.startswith(("residual", "migrate"))
    if arm.name.startswith("SkipClip"):  # SkipRemover with other settings
        return True
    if run.grid == "small":
        return run.cell.net.depth > 8 or arm != depth.MIGRATE
    return block == ("basic" if run.grid in ("fade-out", "depth") else "bottleneck")


def is_priced_here(run):
    """Every way to a network once, by one share, on bottlenecks; both in one network on the other blocks too."""
    name = run.cell.arm.name
    if "50 %" in name or "75 %" in name or run.cell.arm.of.settings.get("by") == "depth":
        return False
    return run.cell.net.block == "bottleneck" or (name.startswith("pruned by 25 %") and "plain" in name)


def is_repeated(run):
    """Whether an arm that is run on the other net takes no other way on this one; recipes of the grid of depths do."""
    if run.grid == "ablation":  # what is left out is a setting
        return run.cell.net.block == "bottleneck"
    return run.grid != "depth" and run.cell.net.block == ("bottleneck" if run.grid == "small" else "basic")


RUNS = [
    pytest.param(run, id=f"{run.grid}-{run.cell.net.name}-{run.cell.arm.name}",
                 marks=[pytest.mark.slow] if is_slow(run) else [])
    for run in every_run()
    if run.cell.arm.settings.get("by") != "depth" and not is_repeated(run) and run.grid != "pareto"
]  # fmt: skip


@pytest.mark.parametrize("run", RUNS)
def test_an_arm_runs_and_its_record_adds_up(run, machine):
    needed(run)
    assert has_teacher(run, machine)
    record = make(run, machine)
    net = run.cell.net
    assert ("gap" in record) == (run.cell.arm.recipe != "transfer")
    if "gap" in record:
        assert record["gap"] == pytest.approx(record["teacher_accuracy"] - record["accuracy"], abs=0.005)
    assert 0 <= record["accuracy"] <= 100
    assert record["versions"]["rdpass"] == rdpass.__version__
    assert record["form"] == expected_form(run)
    if record["form"] == "plain":
        wanted = plain_footprint(net, (1, 1, run.cell.protocol.pixels, run.cell.protocol.pixels))
        found = (record["macs"], record["peak_bytes"], record["traffic_bytes"])
        assert found == (wanted.macs, wanted.peak_bytes, wanted.traffic_bytes)
    if "tried" in record:
        assert record["validation"] == record["tried"][str(record["rate"])] == max(record["tried"].values())
    if "goal" in record:
        measure = run.cell.arm.settings.get("to", "macs")
        loose = 1.2 if "threshold" in record else 1.0  # a threshold that validation images set
        assert record[measure] <= loose * record["goal"]
    if run.cell.arm.recipe not in ("carry", "transfer") and "residual teacher" not in record["arm"]:
        assert record["steps"] == run.cell.protocol.epochs * (run.cell.protocol.images // 32)


def expected_form(run):
    arm = run.cell.arm
    if arm.recipe in ("prune", "smaller", "residual", "early-exit") or getattr(arm, "of", arm) is None:
        return "residual"
    if arm.recipe == "carry":
        return "carried"
    return "projections" if arm.settings.get("student", {}).get("keep_projections") else "plain"


PRICED = [
    pytest.param(run, id=f"{run.cell.net.name}-{run.cell.arm.name}")
    for run in every_run() if run.grid == "pareto" and is_priced_here(run)
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("run", PRICED)
def test_a_priced_network_has_costs_on_both_boards_and_accuracies_in_both_precisions(run, machine):
    assert has_teacher(run, machine)
    record = make(run, machine)
    name, net = run.cell.arm.name, run.cell.net
    assert record["form"] == ("plain" if "plain" in name else "residual")
    assert 0 <= record["int8_accuracy"] <= 100
    assert 0 <= record["int8_validation"] <= 100
    assert set(record["costs"]) == {"rpi4", "rpi5"}
    for costs in record["costs"].values():
        assert min(costs["float32"].values()) >= 0
        assert 0 < costs["int8"]["weight_bytes"] < costs["float32"]["weight_bytes"]
        assert min(costs["int8"].values()) >= 0  # its peak may be larger: maps of few channels fill blocks of bytes
    assert record["costs"]["rpi5"]["float32"]["ms"] < record["costs"]["rpi4"]["float32"]["ms"]
    whole = plain_footprint(net, (1, 1, run.cell.protocol.pixels, run.cell.protocol.pixels))
    if name == "plain":
        assert record["macs"] == whole.macs
    if "plain" in name and name != "plain":
        assert record["macs"] < whole.macs
    steps = 0 if name == "as it is" else run.cell.protocol.images // 32 * (2 if ", then" in name else 1)
    assert record["steps"] == steps


@pytest.mark.parametrize("name", ["pruned by 50 % and plain at once", "pruned by 25 %, then plain"])
def test_pruned_and_plain_networks_are_plain_and_smaller_than_plain_ones(name, machine, monkeypatch):
    monkeypatch.setattr(priced_arm, "costs_of", lambda network, bench: {})
    monkeypatch.setattr(priced_arm, "accuracies_in_int8", lambda network, bench: {})
    runs = (each for each in every_run() if each.grid == "pareto" and each.cell.arm.name == name)
    run = next(each for each in runs if each.cell.net.block == "bottleneck")
    assert has_teacher(run, machine)
    record = make(run, machine)
    whole = plain_footprint(run.cell.net, (1, 1, 12, 12))
    assert record["form"] == "plain"
    assert record["macs"] < whole.macs < record["teacher_macs"]
    assert record["peak_bytes"] < record["teacher_peak_bytes"]


def test_networks_of_the_same_layers_are_priced_once(monkeypatch):
    priced = []
    monkeypatch.setattr(priced_arm, "_KNOWN", {})
    monkeypatch.setattr(priced_arm, "_estimated", lambda graph, example: priced.append(graph) or {"rpi4": {}})
    bench = SimpleNamespace(image_set=SimpleNamespace(example=torch.zeros(1, 1, 14, 14)))
    for net, seed in ((Net("basic", 8, 4), 0), (Net("basic", 8, 4), 1), (Net("basic", 8, 5), 0)):
        assert priced_arm.costs_of(net.build(seed=seed).eval(), bench) == {"rpi4": {}}
    assert len(priced) == 2


def test_the_plain_network_of_the_fronts_is_the_depth_grids_student_that_auto_would_make(monkeypatch):
    monkeypatch.undo()
    cells = pareto.cells(SIZES["reduced"])
    of = {cell.net.name: cell.arm.of for cell in cells if cell.arm.name == "plain"}
    assert {name: (arm.recipe, arm.settings) for name, arm in of.items()} == {
        "basic-56-w8": (depth.SOONER.recipe, depth.SOONER.settings),
        "bottleneck-47-w8": (depth.MIGRATE.recipe, depth.MIGRATE.settings),
        "inverted-29-w8": (depth.SOONER.recipe, depth.SOONER.settings),
    }
    staged = next(cell.arm.of for cell in cells if cell.arm.name == "pruned by 25 %, then plain")
    assert "paths" not in staged.stages[1].settings


def test_stages_share_the_epochs_evenly():
    assert [shared_out(epochs, 2) for epochs in (4, 5, 1)] == [[2, 2], [2, 3], [1, 1]]


def test_a_student_that_is_said_to_be_plain_is(machine):
    run = next(run for run in every_run() if run.cell.arm == depth.MIGRATE and run.cell.net.block == "bottleneck")
    has_teacher(run, machine)
    make(run, machine)
    student = load_student(machine.folder / "students" / run.identity)
    assert find_not_plain(student) is None
    assert not any(isinstance(module, nn.BatchNorm2d) for module in student.modules())


def test_a_shallower_net_takes_no_more_traffic_than_the_plain_one(machine):
    net = Net("basic", 20, 4)
    arm = SmallerArm("shallower", {"to": "traffic_bytes", "by": "depth", "lr": 0.1})
    run = Run("baselines", "tiny", Cell(net, TINY.protocol_for(net), arm), 0, False)
    assert has_teacher(run, machine)
    record = make(run, machine)
    assert record["student_net"] == "basic-14-w4"
    assert record["traffic_bytes"] <= record["goal"] < record["teacher_traffic_bytes"]


def test_a_image_leaves_where_it_is_sure_enough_and_the_threshold_meets_its_goal():
    sure = torch.tensor([[0.9, 0.95, 1.0], [0.5, 0.8, 0.9], [0.2, 0.3, 0.4], [0.6, 0.6, 0.7]])
    right = torch.tensor([[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1]]).bool()
    macs = torch.tensor([10.0, 20.0, 40.0], dtype=torch.float64)
    assert at_threshold(sure, right, macs, 1.01) == (100.0, 40.0)
    assert at_threshold(sure, right, macs, 0.7) == (100.0, (10 + 20 + 40 + 40) / 4)
    assert at_threshold(sure, right, macs, 0.0) == (25.0, 10.0)
    threshold = highest_threshold(sure, right, macs, 20.0)
    assert at_threshold(sure, right, macs, threshold)[1] == 20.0  # leaving at 0.9, 0.8, 0.6 and at the end
    assert threshold == pytest.approx(0.6, abs=1e-5)
    assert highest_threshold(sure, right, macs, 40.0) > 1


def test_exits_see_what_the_network_computes_and_are_counted_with_what_lies_before_them():
    net = Net("bottleneck", 20, 4)
    model, example = net.build().eval(), torch.randn(2, 1, 12, 12)
    exits = Exits(net, model, 10).eval()
    assert torch.equal(exits(example)[-1], model(example))
    counts = exits.macs(example[:1])
    assert counts == sorted(counts)
    heads = 10 * (16 + 32)
    assert counts[-1] == footprint_of(model, example[:1]).macs + heads


@pytest.mark.parametrize(("size", "depths"), [("least", {8, 11}), ("lean", {8, 20})])
def test_a_small_grid_has_no_net_deeper_than_its_size_and_no_cell_twice(size, depths, monkeypatch):
    monkeypatch.undo()
    for grid in GRIDS.values():
        runs = list(runs_of(grid, SIZES[size], [0], amp=False))
        assert {run.cell.net.depth for run in runs} <= depths
        assert len({run.identity for run in runs}) == len(runs)


def test_deep_students_also_train_for_as_long_as_their_teachers_did(monkeypatch):
    monkeypatch.undo()
    epochs = {}
    for cell in depth.cells(SIZES["reduced"]):
        epochs.setdefault((cell.net.name, cell.arm.name), set()).add(cell.protocol.epochs)
    assert epochs["basic-56-w8", "migrate + mixed"] == {8, 12}
    assert epochs["basic-20-w8", "migrate + mixed"] == {8}
    cells = depth.cells(SIZES["full"])
    assert len(cells) == len({(cell.net, cell.arm.name, cell.protocol) for cell in cells})


def test_fewer_and_more_images_mean_as_many_steps(monkeypatch):
    monkeypatch.undo()
    for name in ("lean", "reduced", "full"):
        told = SIZES[name].protocol
        for images in (*small.FEW, small.most(told)):
            other = small.with_images(told, images)
            steps = [p.epochs * (p.images // p.batch) for p in (told, other)]
            assert steps[1] == pytest.approx(steps[0], rel=0.07), (name, images)


def test_the_ablation_knows_where_the_mixed_paths_cross():
    net = Net("basic", 20, 4)
    example = TINY.protocol_for(net)
    plan = rdpass.inspect(net.build().eval(), torch.zeros(1, 1, example.pixels, example.pixels))
    adds = [region.add for region in plan.regions]
    assert [cut(net, stage) for stage in (1, 2, 3)] == [adds[2], adds[5], adds[8]]
    names = [arm.name for arm in joint_arms(net)]
    assert len(names) == len(set(names)) == 30

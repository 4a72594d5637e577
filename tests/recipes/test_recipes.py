"""The trained recipes as a user meets them, and the objective over all paths."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn

import rdpass
import rdpass.recipes.fading as fading_recipes
from rdpass.capture.trace import trace
from rdpass.core.errors import ConfigError
from rdpass.inspection import plan_of
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.analysis.shortcuts.check_plain import check_plain
from rdpass.passes.analysis.shortcuts.find_cuts import find_cuts
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.initialise_student import delta_of, fold_dirac, initialise_student
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.distill.reparam_init import initialise_branches
from rdpass.passes.distill.reparam_plan import Reparam, plan_reparam
from rdpass.passes.graph.layers import DiracConvolution
from rdpass.recipes.catalogue import find_recipe
from rdpass.recipes.cutting import ends_of_bodies
from rdpass.recipes.feature_matching import FeatureMatching, margins_of, partial_l2
from rdpass.recipes.path_objective import PathObjective
from rdpass.training.config import DistillConfig
from rdpass.training.losses import Criteria
from rdpass.training.objective import Batch
from rdpass.training.options import PathOptions, StudentOptions
from rdpass.training.schedules import FadeSchedule, mixed_weight
from tests.data import batches
from tests.models import (
    PreActivation,
    Residual,
    SqueezeExcite,
    basic_block,
    bottleneck,
    classifier,
    conv_bn,
    inverted_residual,
    seeded,
)
from tests.support import Untouched, error_between

EXAMPLE = torch.randn(1, 3, 8, 8)
TRAINED = ("migrate", "anneal", "joint", "kd", "plain")


def three_stages():
    return classifier(basic_block(4, 4), basic_block(4, 6, 2), basic_block(6, 8, 2), classes=4)


def hostile():
    """Bottlenecks plain, strided and grouped, a gated block and an inverted residual, after one another."""
    gate = nn.Sequential(*conv_bn(8, 8), nn.ReLU(), *conv_bn(8, 8), SqueezeExcite(8))
    return classifier(
        bottleneck(8, 4), bottleneck(8, 4, groups=2, stride=2), Residual(gate, None, nn.ReLU()),
        inverted_residual(8, 12), classes=4,
    )  # fmt: skip


def converted(model, recipe, **settings):
    config = DistillConfig(epochs=1, **settings)
    return rdpass.convert(model, EXAMPLE, recipe=recipe, train=batches(3), config=config, show_progress=False)


@pytest.mark.parametrize("recipe", TRAINED)
def test_every_trained_recipe_ends_in_a_forward_of_convolutions_activations_pools_and_linear_layers(recipe):
    model = seeded(three_stages)
    before = Untouched(model)
    result = converted(model, recipe)
    assert [outcome.how for outcome in result.outcomes] == ["distilled"] * 3
    check_plain(result.student)
    x = torch.randn(4, 3, 8, 8)
    y = x
    for node in result.student.graph.nodes:  # by hand: layers in a row, nothing kept for later
        if node.op == "call_module":
            layer = result.student.get_submodule(node.target)
            assert isinstance(layer, nn.Conv2d | nn.ReLU | nn.AdaptiveAvgPool2d | nn.Flatten | nn.Linear)
            y = layer(y)
    assert torch.equal(y, result.student(x))
    before.check()


@pytest.mark.parametrize("recipe", TRAINED)
def test_every_trained_recipe_takes_hostile_blocks(recipe):
    model = seeded(hostile)
    before = Untouched(model)
    result = converted(model, recipe, lr=0.01)
    assert take_census(trace(result.student, EXAMPLE)) == ((), ())
    assert all(gate.error <= gate.tolerance for gate in result.gates)
    before.check()


@pytest.mark.parametrize("recipe", ["migrate", "anneal"])
def test_what_fades_starts_numerically_as_its_teacher(recipe):
    gates = {gate.name: gate for gate in converted(seeded(hostile), recipe).gates}
    assert gates[f"{recipe}-start"].error <= 1e-6


def test_the_outcomes_say_what_took_over():
    result = converted(seeded(hostile), "migrate")
    assert [outcome.reason for outcome in result.outcomes] == [
        f"migrated onto {count} convolutions" for count in (3, 3, 2, 3)
    ]
    result = converted(seeded(hostile), "anneal")
    assert {outcome.reason for outcome in result.outcomes} == {"faded out"}


def test_a_students_state_loads_into_a_freshly_converted_one_and_it_can_be_copied_and_pickled():
    model = seeded(hostile)
    first = converted(model, "migrate")
    second = converted(model, "migrate", lr=0.01)
    assert error_between(first.student, second.student, EXAMPLE) > 0
    second.student.load_state_dict(first.student.state_dict())
    for other in (second.student, copy.deepcopy(first.student), pickle.loads(pickle.dumps(first.student))):
        assert error_between(other, first.student, EXAMPLE) == 0


@pytest.mark.parametrize("recipe", ["migrate", "kd"])
def test_projections_stay_where_the_authors_variant_is_asked_for(recipe):
    result = converted(seeded(three_stages), recipe, student=StudentOptions(keep_projections=True))
    assert [outcome.how for outcome in result.outcomes] == ["distilled", "kept", "kept"]
    regions, _ = take_census(trace(result.student, EXAMPLE))
    assert [region.kind for region in regions] == ["projection", "projection"]


@pytest.mark.parametrize("how", ["warm", "random", "dirac"])
def test_a_cut_student_starts_as_asked(how):
    traced = trace(seeded(hostile), EXAMPLE)
    regions = plan_of(traced).removable
    bare = remove_shortcuts(traced.module, regions)
    before = Untouched(bare)
    torch.manual_seed(0)
    student = initialise_student(bare, how, [name for region in regions for name in region.body])
    before.check()
    x = torch.randn(2, 3, 8, 8)
    assert (error_between(student, bare, x) == 0) == (how == "warm")
    diracs = [module for module in student.modules() if isinstance(module, DiracConvolution)]
    assert len(diracs) == (13 if how == "dirac" else 0)  # of three, three, two (and a gate's two) and three layers
    folded = fold_dirac(student)
    assert error_between(folded, student, x) <= 1e-6
    assert not any(isinstance(module, DiracConvolution) for module in folded.modules())


def test_a_dirac_convolution_passes_on_the_channels_that_both_sides_have():
    for groups, out in ((1, 4), (1, 9), (2, 4), (6, 6)):
        conv = nn.Conv2d(6, out, 3, 2, 1, groups=groups, bias=False)
        layer = DiracConvolution(conv, delta_of(conv), alpha=1.0, beta=0.0)
        x = torch.randn(1, 6, 7, 5)
        got, passed = layer(x), x[:, :, ::2, ::2]
        rows, columns = out // groups, 6 // groups
        for group in range(groups):
            for i in range(rows):
                expected = passed[:, group * columns + i] if i < columns else torch.zeros(1, 4, 3)
                torch.testing.assert_close(got[:, group * rows + i], expected)


class LayerScaled(nn.Module):
    """Layer-scale of one part in a million beside an identity, and a block that a drop-path would skip at random."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*conv_bn(8, 8), nn.ReLU(), nn.Conv2d(8, 8, 1))
        self.gamma = nn.Parameter(torch.full((8,), 1e-6))

    def forward(self, x):
        return x + self.gamma.reshape(1, -1, 1, 1) * self.body(x)


@pytest.mark.parametrize("recipe", ["migrate", "joint", "kd"])
def test_layer_scale_is_folded_or_reset_so_that_the_signal_lives(recipe):
    model = seeded(lambda: classifier(LayerScaled(), LayerScaled(), classes=4))
    before = Untouched(model)
    result = converted(model, recipe)
    check_plain(result.student)
    a, b = result.student(torch.randn(1, 3, 8, 8)), result.student(torch.randn(1, 3, 8, 8))
    assert (a - b).abs().max() > 1e-5  # a folded scale would leave some 1e-15
    before.check()


def objective(build=three_stages, criteria=None, config=None, mixed=True, **paths):
    traced = trace(seeded(build), EXAMPLE)
    options = PathOptions(mixed=mixed, **paths)
    config = config or DistillConfig()
    regions = plan_of(traced).removable
    cuts = [cut.node for cut in find_cuts(traced.module, regions)]
    student = remove_shortcuts(traced.module, regions)
    renamed = ends_of_bodies(traced, regions)
    return PathObjective(
        student, copy.deepcopy(traced.module), criteria or Criteria(config), options,
        {cut: renamed[cut] for cut in cuts[:-1] if mixed},
        {cut: renamed[cut] for cut in cuts},
        (cuts[-1], renamed[cuts[-1]]),
        (lambda: FeatureMatching(8, 2, torch.zeros(8) if options.transform else None)) if options.features else None,
    )  # fmt: skip


BATCH = Batch((torch.randn(6, 3, 8, 8),), torch.randint(0, 4, (6,)))


def test_the_terms_add_up_to_the_papers_loss():
    target = objective(config=DistillConfig(alpha=0.0), average=True, features=1e-3, span=0.3, floor=0.5).train()
    target.set_progress(0.15)
    terms = target(BATCH)
    assert set(terms) == {"task", "mixed_add", "mixed_add_1", "features", "mixed_features"}
    m = 0.5 + 0.5 * 0.5 * (1 + math.cos(math.pi / 2))
    target.set_progress(0.9)
    later = target(BATCH)
    # Batch norms in training mode give the same on the same batch, whatever their running statistics are.
    torch.testing.assert_close(terms["mixed_add"] / m, later["mixed_add"] / 0.5)
    torch.testing.assert_close(terms["mixed_features"] / m, later["mixed_features"] / 0.5)
    torch.testing.assert_close(terms["task"], later["task"])
    outputs = target.student(*BATCH.inputs)
    torch.testing.assert_close(terms["task"], nn.functional.cross_entropy(outputs, BATCH.targets) / 3)


def test_a_mixed_path_is_the_teachers_suffix_on_the_students_prefix():
    target = objective(floor=1.0).train()
    terms = target(BATCH)
    cut = next(node for node in target.teacher.graph.nodes if node.name == "add_1")
    student, teacher, values = target.student, target.teacher, {}

    class Upto(torch.fx.Interpreter):
        def run_node(self, n):
            values[n.name] = super().run_node(n)
            return values[n.name]

    Upto(student).run(*BATCH.inputs)

    class Onwards(torch.fx.Interpreter):
        def run_node(self, n):
            return values["_2_body_4"] if n is cut else super().run_node(n)

    outputs = Onwards(teacher).run(*BATCH.inputs)
    torch.testing.assert_close(terms["mixed_add_1"], nn.functional.cross_entropy(outputs, BATCH.targets))


def test_the_teacher_is_bit_identical_after_a_step_of_the_mixed_paths_and_gradients_pass_through_it():
    target = objective(features=1e-3, own=False).train()
    before = Untouched(target.teacher)
    assert not target.teacher.training
    torch.stack(list(target(BATCH).values())).sum().backward()
    before.check()
    assert target.student.get_submodule("0.0").weight.grad.abs().sum() > 0
    head = target.student.get_submodule("6").weight.grad  # the student's own head is on no mixed path
    assert head is None or not head.any()


def test_a_teacher_trained_along_learns_by_its_own_loss_alone():
    target = objective(teacher="trained", features=1e-3).train()
    terms = target(BATCH)
    assert "own_teacher" in terms
    statistics = target.teacher.get_submodule("0.1").running_mean.clone()
    own, rest = terms.pop("own_teacher"), torch.stack(list(terms.values())).sum()
    rest.backward(retain_graph=True)
    assert all(parameter.grad is None for parameter in target.teacher.parameters())
    own.backward()
    assert all(parameter.grad is not None for parameter in target.teacher.parameters())
    target(BATCH)
    assert not torch.equal(statistics, target.teacher.get_submodule("0.1").running_mean)
    assert not target.teacher.training


def test_no_parameter_is_listed_twice_and_every_trained_one_is_listed():
    target = objective(features=1e-3)
    names = [name for name, _ in target.named_parameters(remove_duplicate=False)]
    assert len(names) == len(set(names)) == len(list(target.parameters()))
    assert {name.partition(".")[0] for name in names} == {"student", "teacher", "matching"}
    assert set(target.state_dict()) >= set(names)


def test_the_gradients_share_through_the_teacher_is_told_per_stage_and_fades_with_m():
    target = objective(config=DistillConfig(alpha=0.0), floor=0.0, span=1.0).train()
    target.set_progress(0.0)
    early = target.gradient_share(BATCH)
    target.set_progress(1.0)
    assert set(early) == {"add", "add_1", "add_2", "head"}
    assert all(0 < early[stage] < 1 for stage in ("add", "add_1"))
    assert early["add_2"] == early["head"] == 0  # no mixed path crosses behind them
    assert set(target.gradient_share(BATCH).values()) == {0.0}
    assert objective(mixed=False).gradient_share(BATCH) == {}


def test_a_path_is_left_out_by_its_name_and_one_that_is_not_there_is_refused():
    model = seeded(three_stages)
    record = converted(model, "joint", paths=PathOptions(off=("add",))).history[-1]
    assert {name for name in record if name.startswith("loss.")} == {"loss.task", "loss.mixed_add_1"}
    with pytest.raises(ConfigError, match="no path at nowhere"):
        converted(model, "joint", paths=PathOptions(off=("nowhere",)))
    with pytest.raises(ConfigError, match="no path is left"):
        converted(model, "kd", paths=PathOptions(own=False))
    with pytest.raises(ConfigError, match=r"near: .'add"):
        converted(model, "joint", paths=PathOptions(cuts=("adds",)))


def test_without_labels_every_path_learns_from_the_teachers_outputs():
    terms = objective()(Batch(BATCH.inputs, None))
    assert set(terms) == {"teacher", "mixed_add", "mixed_add_1"}
    assert all(term > 0 for term in terms.values())


def test_the_margin_is_the_mean_of_a_channels_negative_responses():
    norm = nn.BatchNorm2d(3)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, 5.0]))
    drawn = norm.bias + norm.weight * torch.randn(400_000, 3)
    sampled = torch.stack([column[column < 0].mean() for column in drawn.T[:2]])
    torch.testing.assert_close(margins_of(norm)[:2], sampled.detach(), rtol=0.02, atol=0.0)
    assert margins_of(norm)[2].item() == pytest.approx(-1.5)  # never negative to speak of: -3 |gamma|


def test_the_partial_distance_asks_nothing_where_both_sides_are_negative_enough():
    teacher = torch.tensor([[1.0, -1.0, -1.0, 2.0]])
    student = torch.tensor([[0.0, -3.0, 1.0, 2.0]])
    assert partial_l2(student, teacher).item() == 1.0 + 0.0 + 4.0 + 0.0
    assert partial_l2(student.repeat(5, 1), teacher.repeat(5, 1)).item() == 5.0


def test_the_schedules_start_and_end_where_they_should():
    paths = PathOptions(floor=0.2, span=0.5)
    assert [mixed_weight(p, paths) for p in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([1.0, 0.6, 0.2, 0.2])
    names = ["a", "b", "c"]
    for shape in ("linear", "cosine"):
        for order in ("together", "output_first", "input_first"):
            schedule = FadeSchedule(dict.fromkeys(names, 0.75), StudentOptions(shape=shape, order=order))
            assert set(schedule.faded(0.0).values()) == {0.0}
            assert set(schedule.faded(0.75).values()) == {1.0}
            passed = [sum(schedule.faded(i / 40).values()) for i in range(41)]
            assert passed == sorted(passed)
    half = FadeSchedule(dict.fromkeys(names, 0.75), StudentOptions(order="output_first")).faded(0.375)
    assert half == pytest.approx({"a": 0.0, "b": 0.5, "c": 1.0})
    each = FadeSchedule({"a": 0.5, "b": 0.75}, StudentOptions())
    assert (each.faded(0.25), each.faded(0.6), each.end) == (
        {"a": 0.5, "b": 1 / 3},
        {"a": 1.0, "b": pytest.approx(0.8)},
        0.75,
    )


@pytest.mark.parametrize(
    ("said", "many", "expected"),
    [(None, 1, [0.5, 0.5, 0.75, 0.75]), (None, 2, [0.5] * 4), (0.3, 1, [0.3] * 4)],
)
def test_many_shortcuts_that_are_partly_lost_take_longer_unless_something_is_said(said, many, expected, monkeypatch):
    monkeypatch.setattr(fading_recipes, "MANY", many)
    body = nn.Sequential(nn.Conv2d(8, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1, groups=2))
    nothing_fits = Residual(body, None, nn.ReLU())
    net = classifier(basic_block(4, 4), basic_block(4, 8, 2), bottleneck(8, 4), nothing_fits, classes=4).eval()
    traced = trace(net, EXAMPLE)
    regions = plan_of(traced).removable
    found = [plan_reparam(traced.module, region) for region in regions]
    reparams = [each for each in found if isinstance(each, Reparam)]
    assert [reparam.form for reparam in reparams] == ["identities", "identities", "stream"]
    fading = fade_shortcuts(traced.module, regions, initialise_branches(traced.module, reparams, [(EXAMPLE,)], "stage"))
    assert list(fading_recipes.fades_of(DistillConfig(fade=said), fading, reparams).values()) == expected


def test_a_recipes_defaults_stand_back_behind_what_was_said():
    recipe = find_recipe("migrate", has_data=True)
    assert recipe.complete(DistillConfig()).lr == 0.04
    said = DistillConfig(lr=0.2, paths=PathOptions(mixed=False, floor=0.1))
    assert recipe.complete(said) == said
    joint = find_recipe("joint", has_data=True).complete(DistillConfig(paths=PathOptions(floor=0.005)))
    assert (joint.paths.floor, joint.paths.average, joint.alpha) == (0.005, True, 0.0)
    assert find_recipe("joint", has_data=True).complete(joint) == joint


def test_pre_activation_networks_migrate_to_what_deletion_would_look_like():
    build = lambda: nn.Sequential(  # noqa: E731
        nn.Conv2d(3, 8, 3, 1, 1), PreActivation(8), PreActivation(8), nn.BatchNorm2d(8), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    result = converted(seeded(build), "migrate")
    check_plain(result.student)
    assert [outcome.reason for outcome in result.outcomes] == ["migrated onto 2 convolutions"] * 2

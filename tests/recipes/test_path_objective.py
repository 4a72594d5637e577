"""The objective over all paths: its terms, its gradients, and a teacher that stays as it is."""

import copy
import math

import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.analysis.shortcuts.find_cuts import find_cuts
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.recipes.cutting import ends_of_bodies
from rdpass.recipes.feature_matching import FeatureMatching
from rdpass.recipes.path_objective import PathObjective
from rdpass.training.config import DistillConfig
from rdpass.training.losses import Criteria
from rdpass.training.objective import Batch
from rdpass.training.options import PathOptions
from tests.models import (
    seeded,
)
from tests.recipes.nets import EXAMPLE, three_stages
from tests.support import Untouched


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


def test_without_labels_every_path_learns_from_the_teachers_outputs():
    terms = objective()(Batch(BATCH.inputs, None))
    assert set(terms) == {"teacher", "mixed_add", "mixed_add_1"}
    assert all(term > 0 for term in terms.values())

"""Mixed paths by graph surgery: what they compute, what they share, and where their gradients go."""

import copy

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.inspection import plan_of
from rdpass.passes.analysis.shortcuts.find_cuts import find_cuts, stage_of_modules
from rdpass.passes.distill.fade_shortcuts import fade_shortcuts
from rdpass.passes.distill.join_paths import OWN_PATH, join_paths, teacher_taps
from tests.models import TwoInputs, basic_block, bottleneck, classifier, seeded, small_resnet
from tests.support import Untouched


def pair(build, *inputs):
    """The traced model as a teacher, and a student of the same graph whose shortcuts have half faded."""
    traced = trace(seeded(build), inputs)
    regions = plan_of(traced).removable
    fading = fade_shortcuts(traced.module, regions)
    fading.set_faded(0.5)
    cuts = find_cuts(traced.module, regions)
    return copy.deepcopy(traced.module), fading.module.eval(), [cut.node for cut in cuts]


def by_hand(student, teacher, cut, *inputs):
    """A mixed path without any surgery: run the student up to the cut, then the teacher with its value put in."""
    values = {}

    class Upto(torch.fx.Interpreter):
        def run_node(self, n):
            values[n.name] = super().run_node(n)
            return values[n.name]

    Upto(student).run(*inputs)
    taken = values[cut]

    class Onwards(torch.fx.Interpreter):
        def run_node(self, n):
            return taken if n.name == cut else super().run_node(n)

    return Onwards(teacher).run(*inputs)


class Skipping(nn.Module):
    """The stem's map joins at the end, and an output comes from before every cut: two values that cross."""

    def __init__(self):
        super().__init__()
        self.stem, self.one = nn.Conv2d(3, 4, 3, 1, 1), basic_block(4, 4)
        self.two, self.head = basic_block(4, 6), nn.Conv2d(10, 5, 1)

    def forward(self, x):
        x = self.stem(x)
        return {"map": self.head(torch.cat([self.two(self.one(x)), x], 1)), "stem": (x.mean((2, 3)),)}


class Parallel(nn.Module):
    """Two branches that end in a cut each: what one path replaces, the other takes from the teacher."""

    def __init__(self):
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(10, 5, 1)
        self.one, self.two = basic_block(4, 4, after=False), basic_block(4, 6, after=False)

    def forward(self, x):
        x = self.stem(x)
        return self.head(torch.cat([self.one(x), self.two(x)], 1))


class Guided(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.beside = basic_block(3, 3), basic_block(3, 5), TwoInputs()
        self.head = nn.Conv2d(5, 2, 1)

    def forward(self, x, y):
        return self.head(self.two(self.beside(self.one(x), y)))


IMAGES = torch.randn(2, 3, 9, 7)


@pytest.mark.parametrize(
    ("build", "inputs", "crossing"),
    [
        (small_resnet, (IMAGES,), 0),
        (lambda: classifier(bottleneck(4, 4), bottleneck(4, 4, out=8, stride=2), bottleneck(8, 4)), (IMAGES,), 0),
        (Skipping, (IMAGES,), 2),
        (Guided, (IMAGES, IMAGES.flip(0)), 0),
    ],
)
def test_every_path_computes_what_it_would_by_hand(build, inputs, crossing):
    check_paths(*pair(build, *inputs), inputs, crossing)


def test_a_cut_that_another_path_takes_from_the_teacher_is_replaced_all_the_same():
    teacher, student, cuts = pair(Parallel, IMAGES)
    assert cuts == ["add_1"]  # neither branch ends a stage; cuts of the user's own may lie in both
    check_paths(teacher, student, ["add", "add_1"], (IMAGES,), 2)


def check_paths(teacher, student, cuts, inputs, crossing):
    before = Untouched(teacher), Untouched(student)
    paths = join_paths(student, teacher, {cut: cut for cut in cuts}, (cuts[-1], cuts[-1]))
    assert len(paths.taps) == crossing
    outputs, feature, taps = teacher_taps(teacher, paths.taps, cuts[-1])(*inputs)
    torch.testing.assert_close(outputs, teacher(*inputs))
    results = paths.module(*inputs, *taps)
    assert set(results) == {OWN_PATH, *cuts}
    torch.testing.assert_close(results[OWN_PATH][0], student(*inputs))
    for cut in cuts:
        torch.testing.assert_close(results[cut][0], by_hand(student, teacher, cut, *inputs))
        assert results[cut][1].shape == feature.shape
    for each in before:
        each.check()


def test_the_student_is_computed_once_and_no_more_of_the_teacher_than_behind_each_cut():
    teacher, student, cuts = pair(small_resnet, IMAGES)
    joint = join_paths(student, teacher, {cuts[0]: cuts[0]}).module
    calls = [str(node.target) for node in joint.graph.nodes if node.op == "call_module"]
    of_student = [call for call in calls if call.startswith("student.")]
    assert sorted(of_student) == sorted({f"student.{n.target}" for n in student.graph.nodes if n.op == "call_module"})
    behind = [call for call in calls if call.startswith("teacher.")]
    assert len(behind) == len(set(behind))
    assert not any(call.startswith(("teacher.0.", "teacher.1.body")) for call in behind)


def test_the_joint_graph_calls_the_modules_themselves_also_after_they_are_moved():
    teacher, student, cuts = pair(small_resnet, IMAGES)
    joint = join_paths(student, teacher, {cuts[0]: cuts[0]}).module
    assert joint.student is student
    assert joint.teacher is teacher
    student.double(), teacher.double()
    assert joint(IMAGES.double())[OWN_PATH][0].dtype == torch.float64
    assert len(list(joint.parameters())) == len(list(student.parameters())) + len(list(teacher.parameters()))


def test_gradients_flow_through_a_frozen_suffix_into_the_students_prefix_and_stop_at_the_cut():
    teacher, student, cuts = pair(small_resnet, IMAGES)
    teacher.requires_grad_(False)
    joint = join_paths(student, teacher, {cuts[0]: cuts[0]}).module
    before = Untouched(teacher)
    student.train()
    joint(IMAGES)[cuts[0]][0].square().sum().backward()
    reached = {name for name, parameter in student.named_parameters() if parameter.grad is not None}
    stages = stage_of_modules(student, {cut: cut for cut in cuts})
    expected = {name for name, _ in student.named_parameters() if stages[name.rpartition(".")[0]] == cuts[0]}
    assert reached == expected
    assert all(student.get_parameter(name).grad.abs().sum() > 0 for name in reached)
    before.check()  # batch norm statistics included

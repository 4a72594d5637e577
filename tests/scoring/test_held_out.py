"""Teacher and student on the images held out: pairs, losses, and no loader."""

import copy

import pytest
import torch

from rdpass.scoring.held_out import compare_on_held_out
from rdpass.training.request import Request
from tests.data import batches
from tests.models import small_resnet_of_four
from tests.support import Untouched


def test_both_are_measured_on_the_same_images_and_left_as_they_are():
    teacher = small_resnet_of_four().train()
    student = copy.deepcopy(teacher).eval()
    with torch.no_grad():
        student[-1].bias[0] += 10.0  # always the first class
    before = Untouched(teacher), Untouched(student)
    loader = batches(2)
    (found,) = compare_on_held_out(teacher, student, Request(validate=loader))
    for untouched in before:
        untouched.check()
    labels = torch.cat([y for _, y in loader])
    with torch.no_grad():
        right = torch.cat([teacher.eval()(x) for x, _ in loader]).argmax(1) == labels
    assert (found.name, found.images) == ("top-1", 32)
    assert found.teacher.value == pytest.approx(100 * float(right.float().mean()))
    assert found.student.value == pytest.approx(100 * float((labels == 0).float().mean()))
    gap = 100 * ((labels == 0).float() - right.float())
    assert found.difference.value == pytest.approx(float(gap.mean()))
    assert found.difference.error == pytest.approx(float(gap.std() / 32**0.5), rel=1e-5)


def test_a_loss_of_ones_own_is_compared():
    def loss(outputs, batch):
        return outputs.square().mean()

    model = small_resnet_of_four()
    (found,) = compare_on_held_out(model, model, Request(validate=batches(3), loss=loss))
    assert (found.name, found.difference.value, found.difference.error) == ("loss", 0.0, 0.0)
    assert found.teacher.value > 0


@pytest.mark.parametrize("validate", [None, iter(batches(1))])
def test_without_a_loader_that_can_be_read_again_there_is_nothing(validate):
    model = small_resnet_of_four()
    assert compare_on_held_out(model, model, Request(validate=validate)) == ()

"""The plainest objective: two terms, weighted, with gradients for the student alone."""

import copy

import pytest
import torch
from torch.nn import functional as F

from rdpass.training.config import DistillConfig
from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.losses import Criteria
from rdpass.training.objective import Batch
from tests.data import batches
from tests.training.support import network

IMAGES, LABELS = batches(1)[0]
BATCH = Batch((IMAGES,), LABELS)


def distillation(alpha=0.25, temperature=2.0):
    teacher = network(0.0)
    student = copy.deepcopy(teacher)
    with torch.no_grad():
        student[0][0].weight.mul_(0.5)
    return KnowledgeDistillation(student, teacher, Criteria(DistillConfig(alpha=alpha, temperature=temperature)))


def test_the_terms_are_the_weighted_loss_and_distance():
    made = distillation()
    terms = made(BATCH)
    outputs, wanted = made.student(IMAGES), made.teacher(IMAGES)
    torch.testing.assert_close(terms["task"], 0.75 * F.cross_entropy(outputs, LABELS))
    divergence = F.kl_div((outputs / 2).log_softmax(1), (wanted / 2).softmax(1), reduction="batchmean")
    torch.testing.assert_close(terms["teacher"], 0.25 * 4 * divergence, rtol=1e-4, atol=1e-6)


def test_the_student_alone_has_gradients_and_the_teacher_stays_in_eval_mode():
    made = distillation().train()
    assert made.student.training
    assert not made.teacher.training
    statistics = made.teacher[0][1].running_mean.clone()
    torch.stack(list(made(BATCH).values())).sum().backward()
    assert all(parameter.grad is not None for parameter in made.student.parameters())
    assert all(parameter.grad is None for parameter in made.teacher.parameters())
    assert torch.equal(made.teacher[0][1].running_mean, statistics)


def test_without_labels_the_teacher_alone_is_learnt_from_and_itself_is_at_no_distance():
    made = distillation()
    assert set(made(Batch((IMAGES,)))) == {"teacher"}
    made.student.load_state_dict(made.teacher.state_dict())
    assert made.eval()(Batch((IMAGES,)))["teacher"].item() == pytest.approx(0, abs=1e-6)

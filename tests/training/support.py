"""A small objective and a task for it, to be trained in a second."""

from __future__ import annotations

import copy

import torch
from torch import nn

from rdpass.training.config import DistillConfig
from rdpass.training.engine import train
from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.request import Request
from tests.data import batches
from tests.models import basic_block, classifier, seeded


class Shuffled:
    """Batches in an order drawn from torch's generator, their pixels disturbed by numbers from all three."""

    def __init__(self, count=6, size=8):
        self.made = batches(count, size)

    def __len__(self):
        return len(self.made)

    def __iter__(self):
        import random

        import numpy as np

        for index in torch.randperm(len(self.made)).tolist():
            images, labels = self.made[index]
            shift = random.random() + float(np.random.rand())
            yield images + 0.1 * shift * torch.randn(images.shape), labels


def network(dropout=0.2):
    model = seeded(lambda: classifier(basic_block(3, 3), classes=4, channels=3))
    return nn.Sequential(*model[:-1], nn.Dropout(dropout), model[-1])


def objective(model=None):
    model = model or network()
    return KnowledgeDistillation(copy.deepcopy(model), model, Request().criteria)


def trained(train_on=None, *, of=None, checkpoint=None, resume=False, **settings):
    """The objective after training, and its history."""
    made = of or objective()
    settings = {"epochs": 2, "lr": 0.02, **settings}
    request = Request(
        train=Shuffled() if train_on is None else train_on,
        config=DistillConfig(**settings),
        checkpoint=checkpoint,
        resume=resume,
        show_progress=False,
    )
    return made, train(made, request)


def assert_same(first, second):
    """Both objectives' students hold the same bits."""
    other = second.student.state_dict()
    for name, value in first.student.state_dict().items():
        assert torch.equal(value, other[name]), name


def distance(first, second):
    """Largest difference between two objectives' students, relative to each tensor's largest value."""
    other = second.student.state_dict()
    return max(
        float((value - other[name]).abs().max() / value.abs().max().clamp_min(1e-3))
        for name, value in first.student.state_dict().items()
        if value.is_floating_point()
    )

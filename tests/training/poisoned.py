"""Objectives in which something is not finite."""

import torch
from torch import nn

from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.request import Request
from tests.training.support import network

NAN, INF = float("nan"), float("inf")


class Poisoned(KnowledgeDistillation):
    """At its ``at``-th call (counting from 0; afterwards too where ``lasting``) something is not finite."""

    def __init__(self, what, at, lasting=False):
        model = network(dropout=0.0)
        super().__init__(network(dropout=0.0), model, Request().criteria)
        self.what, self.at, self.lasting, self.calls = what, at, lasting, -1

    def forward(self, batch):
        self.calls += 1
        terms = super().forward(batch)
        if self.calls == self.at or (self.lasting and self.calls > self.at):
            if self.what == "loss":
                terms["task"] = terms["task"] * NAN
            elif self.what == "gradient":
                terms["task"] = terms["task"] + _InfiniteGradient.apply(self.student[0][0].weight)
            else:
                norm = next(m for m in self.student.modules() if isinstance(m, nn.BatchNorm2d))
                norm.running_var.data[0] = INF
        return terms


class _InfiniteGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weight):
        ctx.save_for_backward(weight)
        return weight.new_zeros(())

    @staticmethod
    def backward(ctx, gradient):
        return torch.full_like(ctx.saved_tensors[0], INF)


def is_finite(state):
    tensors = [*state["objective"].values()]
    tensors += [value for slot in state["optimiser"]["state"].values() for value in slot.values()
                if isinstance(value, torch.Tensor)]  # fmt: skip
    return all(torch.isfinite(value).all() for value in tensors)

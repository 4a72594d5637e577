"""Training by labels alone, without rdpass: residual teachers, and baselines that no recipe makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.fashion_mnist.train import parameter_groups, rate
from benchmarks.research.images.batches import Batches
from benchmarks.research.protocols import Protocol
from rdpass.training.memory_layout import training_layout

Loss = Callable[[Any, Tensor], Tensor]


def train_by(
    loss: Loss, model: nn.Module, batches: Batches, protocol: Protocol, epochs: int, seed: int, device: str, amp: bool
) -> None:
    """Minimise ``loss(outputs, labels)`` in place; afterwards the model is on the CPU, in eval mode."""
    layout = training_layout(model, device)
    model.to(device, memory_format=layout).train()  # type: ignore[call-overload]
    groups = [{**group, "weight_decay": protocol.weight_decay if group["weight_decay"] else 0.0}
              for group in parameter_groups(model)]  # fmt: skip
    optimiser = torch.optim.SGD(groups, lr=protocol.peak, momentum=0.9, nesterov=True)
    steps, step = epochs * len(batches), 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(epochs):
            for images, labels in batches:
                for group in optimiser.param_groups:
                    group["lr"] = rate_at(step, steps, protocol)
                with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=amp):
                    value = loss(model(images.contiguous(memory_format=layout)), labels)
                optimiser.zero_grad(set_to_none=True)
                value.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                step += 1
    model.to("cpu", memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]


def rate_at(step: int, steps: int, protocol: Protocol) -> float:
    """The learning rate of a step."""
    if not protocol.milestones:
        return rate(step, steps, protocol.peak)
    return protocol.peak * 0.1 ** sum(step >= milestone * steps for milestone in protocol.milestones)

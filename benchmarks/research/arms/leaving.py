"""When an image leaves a network with exits: where the largest probability passes a threshold, the same at each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.research.images.batches import Part


@torch.no_grad()
def outputs_of(model: nn.Module, part: Part, device: str) -> tuple[Tensor, Tensor]:
    """Per image and exit, how sure it is and whether it is right."""
    model.to(device).eval()
    sure, right = [], []
    for images, labels in part.batches():
        probabilities = torch.stack(model(images.to(device))).softmax(2)
        best, which = probabilities.max(2)
        sure.append(best.T.cpu())
        right.append((which == labels.to(device)).T.cpu())
    model.to("cpu")
    return torch.cat(sure), torch.cat(right)


def at_threshold(sure: Tensor, right: Tensor, macs: Tensor, threshold: float) -> tuple[float, float]:
    """Per cent right, and the mean of the multiply-accumulates."""
    leaves = sure >= threshold
    leaves[:, -1] = True
    taken = leaves.float().argmax(1)
    accuracy = right[torch.arange(len(right)), taken].double().mean() * 100
    return round(float(accuracy), 2), float(macs[taken].mean())


def highest_threshold(sure: Tensor, right: Tensor, macs: Tensor, goal: float) -> float:
    """By bisection; above 1 nothing leaves early."""
    low, high = 0.0, 1.01
    if at_threshold(sure, right, macs, high)[1] <= goal:
        return high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if at_threshold(sure, right, macs, middle)[1] <= goal else (low, middle)
    return round(low, 6)


def curve(sure: Tensor, right: Tensor, macs: Tensor) -> list[tuple[float, int]]:
    """Accuracy and mean multiply-accumulates from the surest to the hastiest."""
    points = (at_threshold(sure, right, macs, t) for t in (1.01, 0.999, 0.99, 0.95, 0.9, 0.8, 0.7, 0.5, 0.0))
    return [(accuracy, round(mean)) for accuracy, mean in points]

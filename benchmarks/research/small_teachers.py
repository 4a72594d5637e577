"""The residual teachers of the small comparisons, trained once and kept in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.fashion_mnist.train import parameter_groups, rate
from benchmarks.research.small_resnets import Block, Mirrored, small_images, small_resnet
from rdpass.training.memory_layout import training_layout

EPOCHS, PEAK = 12, 0.1
PEAKS: dict[Block, float] = {"unnormalised": 0.05}  # the others' is PEAK


def small_teacher(block: Block, n: int, seed: int, folder: Path) -> nn.Module:
    """The network in eval mode; trained now (12 epochs, last one kept) unless ``folder`` has it."""
    torch.manual_seed(seed)
    model = small_resnet(block, n)
    path = folder / f"teacher_{block}_{n}_{seed}.safetensors"
    if not path.exists():
        _train(model, small_images(block, seed)[0], PEAKS.get(block, PEAK))
        folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        save_file({name: value.contiguous() for name, value in model.state_dict().items()}, temporary)
        os.replace(temporary, path)
    model.load_state_dict(load_file(path))
    return model.eval()


def _train(model: nn.Module, image_set: Mirrored, peak: float) -> None:
    layout = training_layout(model, "cpu")
    model.to(memory_format=layout)  # type: ignore[call-overload]
    model.train()
    optimiser = torch.optim.SGD(parameter_groups(model), lr=peak, momentum=0.9, nesterov=True)
    steps, step = EPOCHS * len(image_set), 0
    for _ in range(EPOCHS):
        for images, labels in image_set:
            for group in optimiser.param_groups:
                group["lr"] = rate(step, steps, peak)
            loss = nn.functional.cross_entropy(model(images.contiguous(memory_format=layout)), labels)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            step += 1

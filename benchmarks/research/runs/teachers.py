"""Residual teachers, each trained once, with its accuracies in the file; several processes may ask for the same one."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from benchmarks.research.arms.bench import Machine, Scores, scored
from benchmarks.research.arms.supervised import train_by
from benchmarks.research.identity import digest
from benchmarks.research.images.batches import ImageSet
from benchmarks.research.networks import Net
from benchmarks.research.protocols import Protocol


def teacher_path(net: Net, protocol: Protocol, seed: int, machine: Machine) -> Path:
    """Where it lies; students' epochs and the device are no part of what it is, precision is."""
    told = {**protocol.told(), "epochs": 0, "net": net.name, "seed": seed, "amp": machine.amp}
    return machine.folder / "teachers" / f"{net.name}-{seed}-{digest(told)}.safetensors"


def train_teacher(net: Net, protocol: Protocol, seed: int, image_set: ImageSet, machine: Machine) -> None:
    """Train, measure, and keep it."""
    model = net.build(image_set.example.shape[1], image_set.classes, seed)
    started = time.monotonic()
    train_by(
        F.cross_entropy, model, image_set.train, protocol, protocol.teacher_epochs, seed, machine.device, machine.amp
    )
    seconds = time.monotonic() - started
    scores = scored(model, image_set, machine.device)
    path = teacher_path(net, protocol, seed, machine)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {**asdict(scores), "seconds": round(seconds, 1), "device": machine.name}
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, temporary, metadata={key: str(value) for key, value in told.items()})
    os.replace(temporary, path)


def load_teacher(
    net: Net, protocol: Protocol, seed: int, image_set: ImageSet, machine: Machine
) -> tuple[nn.Module, Scores, float]:
    """The teacher in eval mode, its accuracies, and the seconds its training took."""
    path = teacher_path(net, protocol, seed, machine)
    model = net.build(image_set.example.shape[1], image_set.classes, seed)
    model.load_state_dict(load_file(path))
    with safe_open(path, "pt") as file:
        told = file.metadata()
    return model.eval(), Scores(float(told["validation"]), float(told["test"])), float(told["seconds"])

"""What a teacher and its students are trained on, and for how long: the same steps in every arm."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from benchmarks.research.networks import Net


@dataclass(frozen=True)
class Protocol:
    """``images`` of the training set, at ``pixels``, moved by up to ``reach``; ``held`` of validation and test set.

    Teachers see ``teacher_epochs``, students ``epochs`` of them in batches of ``batch``. ``peak`` is the learning rate
    of what trains without a recipe of rdpass; after a warm-up of 5 % it falls by a cosine, or is divided by
    10 at each of ``milestones``, fractions of the steps. ``data``: see ``sources``.
    """

    images: int
    pixels: int
    reach: int
    held: int
    batch: int
    teacher_epochs: int
    epochs: int
    weight_decay: float = 5e-4
    peak: float = 0.1
    data: str = "fashion-mnist"
    milestones: tuple[float, ...] = ()

    def told(self) -> dict[str, Any]:
        """For records, and for the name of a run: milestones where there are some."""
        told = asdict(self)
        return told if self.milestones else {key: value for key, value in told.items() if key != "milestones"}


@dataclass(frozen=True)
class Size:
    """How large everything is. ``shrunk`` pixels are for bottleneck nets, four times as wide outside; no net of a grid
    is deeper than ``deepest`` layers."""

    name: str
    width: int
    protocol: Protocol
    shrunk: int
    deepest: int = 110

    def protocol_for(self, net: Net) -> Protocol:
        return replace(self.protocol, pixels=self.shrunk) if net.block == "bottleneck" else self.protocol

    def on(self, data: str) -> Size:
        """The same on other images, which all have 32 pixels."""
        if data == self.protocol.data:
            return self
        return replace(self, protocol=replace(self.protocol, data=data, pixels=32, reach=4), shrunk=32)


SHORT = Protocol(6400, 14, 0, 10_000, 64, teacher_epochs=8, epochs=4)
SIZES = {
    size.name: size
    for size in (
        # To see that everything works: seconds a run.
        Size("quick", 8, Protocol(512, 14, 0, 1000, 64, teacher_epochs=2, epochs=1), shrunk=12),
        # For a processor that has minutes for a whole grid, and for one that has an hour or two.
        Size("least", 8, SHORT, shrunk=12, deepest=11),
        Size("lean", 8, SHORT, shrunk=12, deepest=20),
        # For a processor: minutes a run.
        Size("reduced", 8, Protocol(6400, 14, 0, 10_000, 64, teacher_epochs=12, epochs=8), shrunk=12),
        # For a GPU: all images at their own size.
        Size("full", 16, Protocol(55_000, 28, 2, 10_000, 256, teacher_epochs=12, epochs=12), shrunk=28),
        # As JointRD's authors train on CIFAR; rdpass's recipes follow a cosine instead of the steps.
        Size("source", 16, Protocol(45_000, 32, 4, 10_000, 128, 200, 200, data="cifar10", milestones=(0.5, 0.75)), 32),
    )
}

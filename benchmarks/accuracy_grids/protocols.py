"""What a teacher and its students are trained on, and for how long: the same steps in every arm."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.accuracy_grids.networks import Net


@dataclass(frozen=True)
class Protocol:
    """``images`` of the training set, at ``pixels``, moved by up to ``reach``; ``held`` of validation and test set.

    Teachers see ``teacher_epochs``, students ``epochs`` of them in batches of ``batch``. ``peak`` is the learning rate
    of everything that trains without a recipe of rdpass; after a warm-up of 5 % it falls by a cosine.
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


@dataclass(frozen=True)
class Size:
    """How large everything is. ``shrunk`` pixels are for bottleneck nets, four times as wide outside."""

    name: str
    width: int
    protocol: Protocol
    shrunk: int

    def protocol_for(self, net: Net) -> Protocol:
        return replace(self.protocol, pixels=self.shrunk) if net.block == "bottleneck" else self.protocol


SIZES = {
    size.name: size
    for size in (
        # To see that everything works: seconds a run.
        Size("quick", 8, Protocol(512, 14, 0, 1000, 64, teacher_epochs=2, epochs=1), shrunk=12),
        # For a processor: minutes a run.
        Size("reduced", 8, Protocol(6400, 14, 0, 10_000, 64, teacher_epochs=12, epochs=8), shrunk=12),
        # For a GPU: all pictures at their own size.
        Size("full", 16, Protocol(55_000, 28, 2, 10_000, 256, teacher_epochs=12, epochs=12), shrunk=28),
    )
}

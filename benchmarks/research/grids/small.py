"""Grid 5: does it help small models and small tasks at all? Width by depth, and fewer images at equal steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.research.grids.depth import KD, MIGRATE, PLAIN, SOONER
from benchmarks.research.grids.grid import Cell, Grid
from benchmarks.research.networks import Net, deepest
from benchmarks.research.protocols import Protocol, Size

ARMS = (MIGRATE, SOONER, PLAIN, KD)
DEPTHS, FEW, ALL = (8, 20, 56), (1000, 5000), 55_000


def with_images(protocol: Protocol, images: int) -> Protocol:
    """As many steps on more or fewer images, as near as whole epochs come."""
    ratio = (protocol.images // protocol.batch) / max(1, images // protocol.batch)
    teacher, student = (max(1, round(epochs * ratio)) for epochs in (protocol.teacher_epochs, protocol.epochs))
    return replace(protocol, images=images, teacher_epochs=teacher, epochs=student)


def most(protocol: Protocol) -> int:
    """What one epoch of a student's steps sees at most."""
    return min(ALL, protocol.images * protocol.epochs)


def cells(size: Size) -> Sequence[Cell]:
    widths, told = (size.width // 2, size.width, 2 * size.width), size.protocol
    sweep = [(Net("basic", depth, width), told) for depth in DEPTHS if depth <= size.deepest for width in widths]
    layers = deepest("basic", min(20, size.deepest))
    few = [(Net("basic", layers, size.width), with_images(told, images)) for images in (*FEW, most(told))
           if images != told.images]  # fmt: skip
    return [Cell(net, protocol, arm) for arm in ARMS for net, protocol in (*sweep, *few)]


SMALL = Grid("small", "Does it help small models and small tasks?", cells)

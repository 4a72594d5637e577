"""Grid 5: does it help small models and small tasks at all? Width by depth, and fewer pictures at equal steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.accuracy_grids.depth import KD, MIGRATE, PLAIN
from benchmarks.accuracy_grids.grid import Cell, Grid
from benchmarks.accuracy_grids.networks import Net
from benchmarks.accuracy_grids.protocols import Protocol, Size

ARMS = (MIGRATE, PLAIN, KD)
DEPTHS, FEW = (8, 20, 56), (1000, 5000, 55_000)


def with_images(protocol: Protocol, images: int) -> Protocol:
    """As many steps on more or fewer pictures, as near as whole epochs come."""
    ratio = protocol.images / images
    teacher, student = (max(1, round(epochs * ratio)) for epochs in (protocol.teacher_epochs, protocol.epochs))
    return replace(protocol, images=images, teacher_epochs=teacher, epochs=student)


def cells(size: Size) -> Sequence[Cell]:
    widths = (size.width // 2, size.width, 2 * size.width)
    sweep = [(Net("basic", depth, width), size.protocol) for depth in DEPTHS for width in widths]
    few = [(Net("basic", 20, size.width), with_images(size.protocol, images)) for images in FEW
           if images != size.protocol.images]  # fmt: skip
    return [Cell(net, protocol, arm) for arm in ARMS for net, protocol in (*sweep, *few)]


SMALL = Grid("small", "Does it help small models and small tasks?", cells)

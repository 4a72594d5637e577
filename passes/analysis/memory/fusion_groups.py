"""Group operations that run as one kernel, and so find the maps that never exist.

1. *Epilogues.* What is elementwise runs in the kernel of the operand it goes on from, where nobody else reads that. Of
   two such operands it is the one at the end of the longer path; the other is read where the result is written.
2. *Adds* do the same (``adds="fused"``: accumulated into the other operand's buffer), or are kernels of their own that
   write to a third buffer (``adds="separate"``, what a framework without fusion does).
3. *Tiles* (``tiles=True``): a convolution and the window pool behind it run tile by tile, and so do two 1×1
   convolutions in a row, so that the map between them never exists. Only where nobody else reads that map: a shortcut
   from it forbids the fusion. A kernel is tiled with one other at most. Nor is a map tiled away that is narrower than
   what lies before and behind it (MobileNets' bottlenecks): these two would then be live at once, and the peak higher.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from rdpass.passes.analysis.memory.buffers import Inference, Operation, Read

Adds = Literal["separate", "fused"]

# Kernels that can finish each element with something more before they store it.
CONVS = ("conv", "pointwise_conv", "grouped_conv")
LEADERS = frozenset(
    (*CONVS, "conv_transpose", "linear", "pool", "window_pool", "add", "elementwise", "other_norm", "concat", "resize",
     "rearrange")
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One kernel: the nodes it computes (the first leads, the last is what it stores), and what it moves.

    ``reads`` are buffers by the node that wrote them, with the bytes read; ``over`` those of them that the result may
    be written over if nobody reads them later. ``writes`` is the last node's name, the buffer's name from now on.
    """

    nodes: tuple[str, ...]
    kind: str
    reads: dict[str, int]
    over: tuple[str, ...]
    bytes: int
    macs: int
    fast_macs: int
    weight_bytes: int
    adds: bool = False
    tiled: bool = False

    @property
    def writes(self) -> str:
        return self.nodes[-1]

    @property
    def read_bytes(self) -> int:
        return sum(self.reads.values())


def fusion_groups(inference: Inference, adds: Adds, tiles: bool = False) -> tuple[Step, ...]:
    """The kernels of ``inference``, in an order that can be run."""
    merger = _Merger(inference)
    for operation in inference.operations:
        merger.place(operation, adds)
    if tiles:
        merger.tile()
    place = {operation.node: index for index, operation in enumerate(inference.operations)}
    return tuple(sorted(merger.steps.values(), key=lambda step: place[step.writes]))


class _Merger:
    """Steps by the buffer they write, growing as operations join them."""

    def __init__(self, inference: Inference) -> None:
        self.outputs = inference.outputs
        self.steps: dict[str, Step] = {}
        self.depth: dict[str, int] = dict.fromkeys(inference.inputs, 0)
        self.readers: dict[str, int] = {}
        for operation in inference.operations:
            for read in operation.reads:
                self.readers[read.buffer] = self.readers.get(read.buffer, 0) + 1

    def place(self, operation: Operation, adds: Adds) -> None:
        self.depth[operation.node] = 1 + max(self.depth[read.buffer] for read in operation.reads)
        alone = operation.kind == "add" and adds == "separate"
        main = None if alone else self._main_operand(operation)
        if main is None:
            self.steps[operation.node] = _leading(operation, in_place=not alone)
        else:
            self.steps[operation.node] = _joined(self.steps.pop(main.buffer), operation, main)

    def _main_operand(self, operation: Operation) -> Read | None:
        """The operand whose kernel the operation can finish."""
        if operation.kind not in ("elementwise", "add"):
            return None
        free = [read for read in operation.reads if read.pointwise and self._ends_in_a_leader(read.buffer)]
        return max(reversed(free), key=lambda read: self.depth[read.buffer], default=None)

    def _ends_in_a_leader(self, buffer: str) -> bool:
        return self._is_private(buffer) and self.steps[buffer].kind in LEADERS

    def _is_private(self, buffer: str) -> bool:
        """Tell whether a kernel's map has one reader, and is no output."""
        return buffer in self.steps and self.readers.get(buffer) == 1 and buffer not in self.outputs

    def tile(self) -> None:
        for kind in ("window_pool", "pointwise_conv"):
            for name, step in list(self.steps.items()):
                if step.kind == kind and not step.tiled:
                    self._tile_with_source(name, step)

    def _tile_with_source(self, name: str, step: Step) -> None:
        source = next(iter(step.reads))  # a leader's first operand is what it convolves or pools
        before = self.steps.get(source)
        wanted = CONVS if step.kind == "window_pool" else ("pointwise_conv",)
        if before is None or before.kind not in wanted or before.adds or before.tiled or not self._is_private(source):
            return
        if source in step.over or before.bytes < min(before.read_bytes, step.bytes):
            return
        self.steps[name] = _tiled(self.steps.pop(source), step)


def _leading(operation: Operation, in_place: bool) -> Step:
    return Step(
        nodes=(operation.node,),
        kind=operation.kind,
        reads={read.buffer: read.bytes for read in operation.reads},
        over=tuple(read.buffer for read in operation.reads if read.pointwise and in_place),
        bytes=operation.bytes,
        macs=operation.macs,
        fast_macs=operation.fast_macs,
        weight_bytes=operation.weight_bytes,
        adds=operation.kind == "add",
    )


def _joined(step: Step, operation: Operation, main: Read) -> Step:
    """``step`` with an elementwise operation on its result, whose other operands are read where it is written."""
    others = [read for read in operation.reads if read is not main]
    reads, over = dict(step.reads), list(step.over)
    for read in others:
        if read.buffer in reads:  # what the kernel needs elsewhere too can't be written over
            over = [name for name in over if name != read.buffer or (name in step.over and read.pointwise)]
        elif read.pointwise:
            over.append(read.buffer)
        reads[read.buffer] = max(reads.get(read.buffer, 0), read.bytes)
    return replace(
        step, nodes=(*step.nodes, operation.node), reads=reads, over=tuple(over), bytes=operation.bytes,
        weight_bytes=step.weight_bytes + operation.weight_bytes, adds=step.adds or operation.kind == "add",
    )  # fmt: skip


def _tiled(first: Step, second: Step) -> Step:
    reads = {**first.reads, **{name: size for name, size in second.reads.items() if name != first.writes}}
    return replace(
        second,
        nodes=(*first.nodes, *second.nodes),
        reads=reads,
        over=tuple(name for name in second.over if name not in first.reads),
        macs=first.macs + second.macs,
        fast_macs=first.fast_macs + second.fast_macs,
        weight_bytes=first.weight_bytes + second.weight_bytes,
        tiled=True,
    )

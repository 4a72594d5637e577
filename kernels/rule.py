"""What a kernel rule is: the operators it wants, and a kernel for one place where they were found, or ``None``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tvm import relax
    from tvm.relax.dpl import DFPattern
    from tvm.target import Target
    from tvm.tirx import IndexMap, PrimFunc


@dataclass(frozen=True)
class Workload:
    """One place in a module that a rule's pattern fits: the expression whose value the kernel is to compute, and the
    expression that each part of the pattern stands for (weights are ``tvm.ir.GenericConst``, so a rule can pack them).
    """

    root: relax.Expr
    parts: Mapping[DFPattern, relax.Expr]


@dataclass(frozen=True)
class Kernel:
    """A scheduled function and how to call it in the workload's place.

    ``arguments`` are what it reads: expressions of the workload, constants packed at compile time, or either in another
    layout (``relax.op.layout_transform``). It writes one tensor, of type ``writes``. Where that is not the workload's
    own layout, ``restore`` maps its indices back to it.
    """

    function: PrimFunc
    arguments: tuple[relax.Expr, ...]
    writes: relax.TensorType
    restore: IndexMap | None = None


class KernelRule(Protocol):
    """Offers a kernel for the operators of ``pattern``. Rules are asked in order, and the first kernel is taken."""

    @property
    def name(self) -> str:
        """The kernel's specification: operation, tile and instruction set. Built functions are called so."""

    @property
    def pattern(self) -> DFPattern:
        """The operators it wants, before they are lowered: ``relax.nn.conv2d`` and its epilogue, say."""

    def kernel(self, workload: Workload, target: Target) -> Kernel | None:
        """The kernel for ``workload`` on ``target``, or ``None``: not mine."""

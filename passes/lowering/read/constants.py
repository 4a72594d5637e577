"""Count the bytes of a network's constants: each once, wherever it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import relax, tirx

from rdpass.passes.lowering.rewrite.place_kernels import TRANSFORMED


@dataclass(frozen=True)
class PackedConstants:
    """Bytes of a lowered network's constants: ``packed`` as kernels read them, of these ``transformed`` beyond what the
    smallest kernels for the same layers would read.
    """

    packed: int
    transformed: int


def constant_bytes(module: tvm.IRModule) -> int:
    """Bytes of all constants of a network, before or after lowering."""
    constants: dict[bytes, int] = {}

    def collect(node: Any) -> None:
        constants.update((_digest(array), array.nbytes) for array in _arrays(node))

    relax.analysis.post_order_visit(module["main"], collect)
    return sum(constants.values())


def packed_constants(lowered: tvm.IRModule) -> PackedConstants:
    """The bytes of a module that ``pipeline.lowering`` made."""
    more: dict[tuple[bytes, ...], int] = {}

    def collect(node: Any) -> None:
        kernel = lowered[node.op] if isinstance(node, relax.Call) and isinstance(node.op, relax.GlobalVar) else None
        if isinstance(kernel, tirx.PrimFunc) and int(kernel.attrs.get(TRANSFORMED, "0")):
            own = tuple(_digest(array) for argument in node.args for array in _arrays(argument))
            more[own] = int(kernel.attrs[TRANSFORMED])

    relax.analysis.post_order_visit(lowered["main"], collect)
    return PackedConstants(constant_bytes(lowered), sum(more.values()))


def _arrays(node: Any) -> Iterator[Any]:
    """The numbers of a node that is a constant."""
    if isinstance(node, tvm.ir.GenericConst) and isinstance(node.value, tvm.runtime.Tensor):
        yield node.value.numpy()


def _digest(array: Any) -> bytes:
    digest = hashlib.sha256(repr((array.shape, array.dtype)).encode())
    digest.update(array.data)
    return digest.digest()

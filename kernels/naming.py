"""Names of kernels, which are their specification: types, operation, shape, register tile, instruction set."""

from __future__ import annotations

from hashlib import sha256

from rdpass.kernels.workload import Convolution, Workload
from rdpass.targets.isa import Isa


def kernel_name(kind: str, work: Workload, details: str, isa: Isa) -> str:
    """``details``: what the kind does not say of shape and tile.

    The digits at the end tell workloads apart that differ in what a name does not say (padding, epilogue).
    """
    digits = sha256(repr(work).encode()).hexdigest()[:6]
    return f"{work.types.abbreviation}_{kind}{details}_{isa.name}_{digits}"


def convolution_name(kind: str, conv: Convolution, register_tile: tuple[int, int], isa: Isa) -> str:
    """The name of a kernel that computes ``conv`` in tiles of so many pixels and vectors."""
    return kernel_name(kind, conv, f"{shape_of(conv)}_{register_tile[0]}x{register_tile[1]}", isa)


def shape_of(conv: Convolution) -> str:
    """Window, stride, groups, channels and extents."""
    kernel = "" if conv.is_pointwise else f"_k{conv.kernel[0]}x{conv.kernel[1]}"
    stride = "" if conv.stride == (1, 1) else f"_s{conv.stride[0]}"
    groups = "" if conv.groups == 1 or conv.is_depthwise else f"_g{conv.groups}"
    diagonal = "_diagonal" if conv.diagonal else ""
    subpixel = "" if conv.subpixels == 1 else f"_to{conv.subpixel[0]}x{conv.subpixel[1]}"
    return f"{kernel}{stride}{groups}{diagonal}{subpixel}_{conv.channels}_{conv.filters}_{conv.height}x{conv.width}"

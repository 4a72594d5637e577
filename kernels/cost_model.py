"""The terms that templates make their costs of, in cycles or bytes.

A cost is a short sum: vector multiply-accumulates, the loads that come with them, the transforms, and the bytes
that have to come from memory, which threads share. Weights are read once for every block of pixels where they do not
stay in L2.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isinf

from rdpass.core.numeric_types import INT32, NumericTypes
from rdpass.core.optimization import BALANCED, SIZE, SPEED, Optimize
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.machine import Machine
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import BYTE_BLOCK, Multiply

# The share of L2 that weights and the data they meet may fill and still be found there again.
HOLDS = 0.75
# The share of L2 that what is read in between leaves alone; and where that is one group's weights, which only pass.
KEEPS, PASSING = 0.85, 0.88
# What a load costs beside the multiplies it feeds, on a core that does both at once.
_LOAD = 0.48
LATENCY = 4
"""Cycles from a multiply to the next that adds to its sum."""
REREAD = 64
"""Bytes a cycle that come from L2 while others are multiplied."""
_MOVED = 16
"""Bytes a cycle that a kernel reads and writes which does little else."""

BYTE_PRICES: Mapping[Optimize, float] = {SPEED: 0.0, BALANCED: 1.0, SIZE: inf}
"""Cycles that a byte of weights more has to save of an inference, on all threads of the target.

Each stage of a network has about the same products to do, with four times the weights of the stage before; so what
Winograd saves a byte falls to a quarter from stage to stage. In a ResNet-50 on one Cortex-A72, F(4, 3) beside direct
saves 51 cycles a byte in the first stage, 2.5 in the third and 0.7 in the last, and F(4, 3) beside F(2, 3) half a cycle
in the third. At one cycle a megabyte saves 0.7 ms at 1.5 GHz.
"""


def product_cycles(
    tile: tuple[int, int], pixels: int, channels: int, filters: int, types: NumericTypes, machine: Machine
) -> float:
    """Cycles of a matrix product in register tiles: its multiplies and their loads."""
    size, vectors = tile
    lanes = machine.isa.lanes(types.accumulator)
    inner, groups = blocks(channels, lanes), blocks(blocks(filters, lanes), vectors)
    full, rest = divmod(pixels, size)
    cycles = 0.0
    for count, width in ((full, size), (1 if rest else 0, rest)):
        if count:
            # A small tile waits for itself.
            multiplies = max(width * vectors, LATENCY * machine.multiplies) * lanes
            loads = width * (1 if machine.isa.by_element else lanes) / 2 + vectors * lanes / 2 + 3
            cycles += count * inner * groups * (multiplies + loads * _LOAD) / machine.multiplies
            # Sums are started and stored once.
            cycles += count * groups * width * vectors
    return cycles


_PRODUCTS = {"SDOT": 16, "SDOT z.s": 16, "SMMLA": 8, "SMULL + SMLAL2 + SADALP": 32}
"""Multiplies of a step, a block of input channels and one of outputs, for each pixel."""
_BROADCASTS = {"VPDPBUSD": (4, 1), "VPMADDWD": (8, 2), "PMADDWD": (8, 2)}
"""Of a step where a part of a pixel's channels is broadcast: such parts, and instructions for each vector of sums."""
_LATENCY_OF_PAIRS = 1
_REQUANTIZING = 24
"""Instructions from sixteen sums to sixteen bytes."""


def integer_cycles(
    tile: tuple[int, int], pixels: int, channels: int, filters: int, types: NumericTypes, machine: Machine
) -> float:
    """Cycles of a product of bytes in register tiles (pixels, blocks of outputs): multiplies, loads, epilogue."""
    size, out = tile
    multiply = machine.isa.multiply(types)
    assert multiply is not None
    if machine.isa.in_order and multiply.instruction == "SDOT":
        return _interleaved_cycles(size, pixels, channels, filters)
    # A core that multiplies by long products has one unit for them.
    rate = 1.0 if multiply.name.startswith("SMULL") else machine.multiplies
    each, passes = _instructions(machine, multiply, out), 4 if multiply.name.startswith("SMULL") else 1
    inner, groups = blocks(channels, BYTE_BLOCK), blocks(blocks(filters, BYTE_BLOCK), out)
    full, rest = divmod(pixels, size)
    cycles = 0.0
    for count, width in ((full, size), (1 if rest else 0, rest)):
        if count:
            multiplies = max(width * out * each, _LATENCY_OF_PAIRS * rate * each) / rate
            loads = width * passes + out * BYTE_BLOCK
            cycles += count * inner * groups * (multiplies + loads * _LOAD / machine.multiplies)
            cycles += count * groups * width * out * _REQUANTIZING / 2
    return cycles


_STEP_OF_PIXELS = (0, 47, 51, 55, 65, 80)
"""Cycles of a step of SDOT in assembly, for tiles of so many pixels: of few, those of its loads."""
_STARTING, _STORING = 26, 24
"""Cycles of a tile's first loads and sums, and from sixteen sums to sixteen bytes, one instruction after the other."""


def _interleaved_cycles(size: int, pixels: int, channels: int, filters: int) -> float:
    """The same on a core that starts one vector instruction a cycle, in order, and loads beside it."""
    inner, groups = blocks(channels, BYTE_BLOCK), blocks(filters, BYTE_BLOCK)
    full, rest = divmod(pixels, size)
    tiles = [(full, size), (1, rest)] if rest else [(full, size)]
    each = sum(count * (inner * _STEP_OF_PIXELS[width] + _STARTING + _STORING * width) for count, width in tiles)
    return float(groups * each)


def _instructions(machine: Machine, multiply: Multiply, out: int) -> float:
    """Of a step of one of ``out`` blocks, for each pixel: what is broadcast serves them all."""
    if multiply.instruction in _PRODUCTS:
        return _PRODUCTS[multiply.instruction]
    parts, each = _BROADCASTS[multiply.instruction]
    return parts * (each * BYTE_BLOCK / machine.isa.lanes(INT32) + 1 / out)


def short_cycles(tile: tuple[int, int], pixels: int, channels: int, filters: int, machine: Machine) -> float:
    """Cycles of a product of int16 in register tiles (pixels, blocks of outputs), summed in int32."""
    size, out = tile
    isa = machine.isa
    # ARM multiplies four by one lane of another, on half of its units; x86 two channels at once, and adds them then.
    each = BYTE_BLOCK * BYTE_BLOCK / isa.lanes(INT32)
    rate = max(1.0, machine.multiplies / 2) if isa.by_element else machine.multiplies
    inner, groups = blocks(channels, BYTE_BLOCK), blocks(blocks(filters, BYTE_BLOCK), out)
    full, rest = divmod(pixels, size)
    cycles = 0.0
    for count, width in ((full, size), (1 if rest else 0, rest)):
        if count:
            loads = (width * 2 if isa.by_element else width * BYTE_BLOCK / 2) + out * each / 2
            cycles += count * inner * groups * (max(width, 2) * out * each / rate + loads * _LOAD / machine.multiplies)
    return cycles


def traffic_cycles(weights: int, passes: int, resident: int, maps: int, machine: Machine) -> float:
    """Cycles for bytes from memory: maps once, weights once or, where they do not stay in L2, once a pass."""
    stays = weights + resident <= HOLDS * machine.l2
    return (maps + weights * (1 if stays else passes)) / machine.bandwidth


def busiest_share(tasks: int, machine: Machine) -> float:
    """The share of a parallel loop's work that its busiest thread has, tasks being dealt out whole."""
    return -(-tasks // machine.threads) / tasks


def map_bytes(conv: Convolution) -> int:
    """Bytes of input and output that don't fit in L2 together count; small maps are still there from before."""
    read = conv.types.input.size((conv.batch, conv.channels, conv.height, conv.width))
    return read + conv.types.output.size((conv.batch, conv.filters, conv.out_pixels))


def space_price(scratch: int, machine: Machine) -> float:
    """A small price on scratch, of which every thread has its own: between equals the smaller one is taken."""
    return scratch * machine.threads / 64


def plain_cycles(operations: int, moved: int, types: NumericTypes, machine: Machine) -> float:
    """Cycles on all threads of a kernel that no more is known of: its operations at full rate, or its bytes from L2."""
    rate = 2 * machine.multiplies * machine.isa.lanes(types.accumulator)
    return max(operations / rate, moved / _MOVED) / machine.threads


def spilt_bytes(scratch: int, machine: Machine) -> int:
    """Bytes of scratch that do not stay in L2 and come back from memory."""
    return max(0, scratch - machine.l2 // 2) * 2


def preference(cycles: float, weight_bytes: int, optimize: Optimize) -> tuple[float, float]:
    """What is to be least where kernels are chosen for ``optimize``; of a kernel without a cost its bytes alone count,
    and only for the smallest size."""
    price = BYTE_PRICES[optimize]
    if isinf(price):
        return weight_bytes, cycles
    return (cycles + price * weight_bytes if cycles else 0.0), 0.0

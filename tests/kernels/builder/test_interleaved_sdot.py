"""SDOT loops in assembly: what they compute, what they read, and how long a Cortex-A55 takes for them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from rdpass.kernels.builder.interleaved_sdot import MOST_PIXELS, Loop, Tap, assembly, sdot_function
from rdpass.kernels.templates.integer_direct import IntegerDirectTile
from rdpass.kernels.templates.integer_head import IntegerHeadTile
from rdpass.kernels.templates.integer_pair import IntegerPairTile
from rdpass.kernels.templates.integer_pointwise import IntegerPointwiseTile
from rdpass.kernels.templates.quantized_stem import QuantizedStemTile
from rdpass.kernels.workload import Convolution, Epilogue, Head, PointwisePair, QuantizedStem
from rdpass.passes.tir.pipeline import NAME
from rdpass.profiling.emulation.boards import find_board
from rdpass.profiling.emulation.in_order import in_order_cycles
from rdpass.targets.isa import isa_of
from rdpass.targets.lookup import find_target
from tests.kernels.assembly import assembly_of
from tests.kernels.cases import case_of
from tests.kernels.emulation import check_emulated
from tests.kernels.examples import retyped
from tests.kernels.integers import bytes_of, emulated

NEAR, FAR = 96, 50176
"""Bytes between turns' pixels: within and out of a load's reach."""


def loop_of(pixels, taps=1, count=5, step=FAR, stride=1, weight_step=None):
    of = (Tap(tuple(16 * (stride * t + j) for t in range(pixels)), 256 * j) for j in range(taps))
    return Loop(tuple(of), count, step, 256 * taps if weight_step is None else weight_step)


class Core:
    """Runs the few instructions that loops consist of, one after the other, and notes what they read."""

    def __init__(self, memory, operands):
        self.memory, self.operands = memory, operands
        self.vectors = {f"v{n}": np.zeros(16, np.int8) for n in range(64)}
        self.integers, self.zero, self.read = dict[str, int](), False, set[int]()

    def run(self, lines):
        place = 0
        while place < len(lines):
            name, _, rest = lines[place].partition(" ")
            taken = name == "b.ne" and not self.zero
            if name not in ("1:", "b.ne"):
                getattr(self, name)(*rest.split(", "))
            place = lines.index("1:") if taken else place + 1

    def number(self, text):
        return int(text[1:]) if text.startswith("#") else self.integers[text]

    def loaded(self, base, offset, size):
        at = self.number(base.removeprefix("[")) + int(offset.strip("#]"))
        assert at % 8 == 0
        self.read.update(range(at, at + size))
        return self.memory[at : at + size]

    def ldr(self, register, base, offset):
        if register.startswith("d"):
            self.vectors["v" + register[1:]] = np.append(self.loaded(base, offset, 8), np.zeros(8, np.int8))
        elif register.startswith("x"):
            self.integers[register] = int.from_bytes(self.loaded(base, offset, 8).tobytes(), "little")
        else:
            self.vectors["$" + re.findall(r"\d+", register)[0]] = self.loaded(base, offset, 16).copy()

    ldur = ldr

    def mov(self, target, source):
        if ".d[1]" in target:
            upper = np.frombuffer(self.integers[source].to_bytes(8, "little"), np.int8)
            vector = target.partition(".")[0]
            self.vectors[vector] = np.append(self.vectors[vector][:8], upper)
        else:
            self.vectors[target.partition(".")[0]] = self.vectors[source.partition(".")[0]].copy()

    def sdot(self, sums, weights, pixel):
        four = int(re.findall(r"\[(\d)\]", pixel)[0])
        x = self.vectors[pixel.partition(".")[0]][4 * four : 4 * four + 4].astype(np.int32)
        w = self.vectors[weights.partition(".")[0]].reshape(4, 4).astype(np.int32)
        name = sums.partition(".")[0]
        self.vectors[name] = (self.vectors[name].view(np.int32) + w @ x).astype(np.int32).view(np.int8)

    def movz(self, register, number):
        self.integers[register] = self.number(number)

    def movk(self, register, number, _):
        self.integers[register] += self.number(number) << 16

    def add(self, target, left, right):
        self.integers[target] = self.number(left) + self.number(right)

    def subs(self, target, left, right):
        self.integers[target] = self.number(left) - self.number(right)
        self.zero = self.integers[target] == 0


def run(loop, starts, seed=0):
    """The sums, what they should be, and what was read beyond pixels, weights and biases."""
    rng = np.random.default_rng(seed)
    weights_at = 64 + loop.count * loop.pixel_step + 4096
    biases_at = weights_at + loop.count * loop.weight_step + 4096
    memory = rng.integers(-128, 128, biases_at + 64, np.int8)
    count = 4 * loop.pixels
    core = Core(memory, count)
    core.integers |= {f"${count}": 64, f"${count + 1}": weights_at, f"${count + 2}": biases_at}
    before = rng.integers(-1000, 1000, (count, 4)).astype(np.int32)
    core.vectors |= {f"${i}": vector.view(np.int8) for i, vector in enumerate(before)}
    core.run(assembly(loop, starts))
    bias = memory[biases_at : biases_at + 64].view(np.int32).reshape(4, 4)
    expected = np.tile(bias, (loop.pixels, 1)) if starts else before
    expected = expected.reshape(loop.pixels, 16)
    needed = set(range(biases_at, biases_at + 64)) if starts else set()
    for turn in range(loop.count):
        for tap in loop.taps:
            first = weights_at + turn * loop.weight_step + tap.weights
            w = memory[first : first + 256].reshape(4, 16, 4).astype(np.int32)  # fours of channels, outputs, channels
            needed |= set(range(first, first + 256))
            for t, offset in enumerate(tap.pixels):
                at = 64 + turn * loop.pixel_step + offset
                x = memory[at : at + 16].reshape(4, 4).astype(np.int32)
                expected[t] += np.einsum("foc,fc->o", w, x).astype(np.int32)
                needed |= set(range(at, at + 16))
    sums = np.stack([core.vectors[f"${i}"].view(np.int32) for i in range(count)]).reshape(loop.pixels, 16)
    return sums, expected, core.read, needed


@pytest.mark.parametrize("starts", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
@pytest.mark.parametrize("pixels", range(1, MOST_PIXELS + 1))
def test_sums_are_exact_and_nothing_else_is_read_than_what_they_need(pixels, count, starts):
    for loop in (loop_of(pixels, 1, count), loop_of(pixels, 3, count, NEAR, stride=2)):
        sums, expected, read, needed = run(loop, starts)
        assert (sums == expected).all()
        assert read == needed


@pytest.mark.parametrize("weight_step", [0, 256, 4352, 65536])
def test_steps_of_any_size_are_taken(weight_step):
    loop = loop_of(4, 1, 4, step=131072, weight_step=weight_step)
    sums, expected, read, needed = run(loop, starts=True)
    assert (sums == expected).all()
    assert read == needed


def register(operand, sums):
    """One for each operand: sums lie in the last of the vectors."""
    return f"v{32 - sums + operand}" if operand < sums else f"x{operand - sums}"


@pytest.mark.parametrize(("pixels", "taps", "most"), [(5, 1, 80), (5, 3, 240), (4, 1, 65), (4, 3, 193), (3, 3, 163)])
def test_a_turn_takes_hardly_more_cycles_than_it_has_products(pixels, taps, most):
    lines = assembly(loop_of(pixels, taps), starts=False)
    turn = lines[lines.index("1:") + 1 : lines.index("b.ne 1b") + 1]
    named = [re.sub(r"\$(\d+)", lambda match: register(int(match[1]), 4 * pixels), line) for line in turn]
    assert sum(line.startswith("sdot") for line in named) == 16 * taps * pixels
    assert in_order_cycles(named) <= most


def test_loads_out_of_reach_are_told():
    assert loop_of(5).is_in_reach
    assert not loop_of(5, stride=600).is_in_reach
    assert not Loop((Tap((-16, 0), 0),), 3, 16, 256).is_in_reach


def test_equal_loops_are_one_function_and_others_have_another_name():
    (name, text), (same, _) = (sdot_function(loop_of(5), starts=True) for _ in range(2))
    others = {sdot_function(loop_of(5), starts=False)[0], sdot_function(loop_of(4), starts=True)[0]}
    assert name == same
    assert f"@{name}(" in text
    assert name not in others


CORE = find_board("cortex-a55")
CONV = Convolution(2, 70, 35, 9, 11, (3, 3), (1, 1), (1, 1, 1, 1))
FLAT = replace(CONV, kernel=(1, 1), padding=(0, 0, 0, 0))


def some_kernels():
    yield replace(CONV, batch=1), IntegerDirectTile(5, 1, 3)
    yield replace(FLAT, batch=1), IntegerPointwiseTile(4, 1, 36)


def kernels():
    """Every template that multiplies bytes: tiles of each size with rests, all kinds of steps, what is out of reach."""
    direct, point = IntegerDirectTile, IntegerPointwiseTile
    yield CONV, direct(5, 1, 2)
    yield replace(CONV, stride=(2, 2), epilogue=Epilogue("clip", add=True, late=True)), direct(4, 1, 3)
    yield replace(CONV, kernel=(5, 5), dilation=(2, 1), padding=(4, 2, 4, 2)), direct(3, 1, 4)
    yield replace(CONV, channels=24, filters=36, groups=6), direct(2, 1, 2)
    yield replace(CONV, filters=70, diagonal=True), direct(5, 1, 9)
    yield (
        replace(CONV, channels=20, height=3, width=1300, dilation=(1, 1200), padding=(1, 1200, 1, 1200)),
        direct(5, 1, 1),
    )
    yield FLAT, point(5, 1, 20)
    yield replace(FLAT, stride=(2, 2)), point(1, 1, 56)
    yield replace(FLAT, channels=16, height=64, width=64, filters=16, batch=1), point(4, 1, 224)
    yield (
        PointwisePair(FLAT, replace(FLAT, channels=35, filters=50, epilogue=Epilogue("clip"))),
        IntegerPairTile(5, 1, 35),
    )
    yield Head(3, 70, 1, 37), IntegerHeadTile(3, 1)
    yield Head(4, 300, 6, 20, averages=False), IntegerHeadTile(4, 1)
    yield QuantizedStem(Convolution(1, 3, 20, 19, 27, (7, 7), (2, 2), (3, 3, 3, 3))), QuantizedStemTile(4, 1, 8, 2)


@pytest.mark.parametrize("which", [some_kernels, pytest.param(kernels, marks=pytest.mark.slow)])
def test_every_byte_is_right_on_an_emulated_core(which, tmp_path):
    emulated("rpi5")
    isa = isa_of(CORE)
    works = [(retyped(work, bytes_of(isa)), tile) for work, tile in which()]
    check_emulated([case_of(work, tile, isa, 1 + n % 2) for n, (work, tile) in enumerate(works)], CORE, tmp_path, 0)


def test_sums_stay_in_registers_and_other_cores_have_none_of_it():
    isa = isa_of(CORE)
    work, tile = replace(FLAT, batch=1, height=4, width=5), IntegerPointwiseTile(5, 1, 20)
    case = case_of(replace(work, types=bytes_of(isa)), tile, isa)
    code = assembly_of(case.function, CORE, NAME)
    assert code.count("//APP") == 1
    inside, _, behind = code.partition("//APP")[2].partition("//NO_APP")
    assert len(re.findall(r"\bsdot\b", inside)) == 2 * 80
    assert not re.search(r"\b(ldr|ldp)\tq", inside.partition("sdot")[2])
    assert len(re.findall(r"\bst[rp]\tq\d+.*\[sp", behind)) <= 2
    other = isa_of(find_target("rpi5"))
    assert "pragma_import_llvm" not in case_of(replace(work, types=bytes_of(other)), tile, other).function.script()

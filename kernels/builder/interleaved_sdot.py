"""SDOT loops written as assembly, for a core that starts instructions in the order in which they stand.

A Cortex-A55 starts one SDOT a cycle, and beside it one other instruction: a load of 64 bits, an insert of these into
a vector, or arithmetic on integers. A load of 128 bits starts alone, and takes two cycles. So

1. a pixel's sixteen channels are loaded as two halves, each of which SDOT reads as it is;
2. a vector of weights is a load of its lower half, a load of its upper half into an integer register, and an insert;
3. each of these companions stands behind an SDOT of its own, as early as its latency wants it: those of a turn's first
   products stand in the turn before, or before the loop;
4. so does what moves the pointers on: what is loaded behind it lies a step nearer;
5. the last turn stands apart, for nothing is loaded for a turn behind it.

LLVM orders loads by a model of its own. So a loop is inline assembly, in a function that is inlined where it is called:
its sums stay in registers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

MOST_PIXELS = 5
"""Of a tile: beside its sums there is room for its pixels and the weights on their way."""
_VECTORS = 4
"""Vectors of sums of a pixel, and of weights for four of its channels."""
_GROUPS = 16
"""Vectors of weights of a step, each of which meets every pixel."""
_LOADED, _INSERTED = 3, 2
"""Cycles from a load, and from an insert, to what reads it."""
_BEFORE, _REACH = -256, 32760
"""Bytes from a register between which a load of 64 bits may lie."""
_ADDED = 4095
"""The largest number that an addition holds."""
_REGISTERS = 32
_PASSING = tuple(f"x{number}" for number in range(4, 12))
"""Integer registers that upper halves of weights pass through."""
_STEP = {"pixels": "x12", "weights": "x13"}
_COUNTER = "x14"
_INTEGERS = (*_PASSING, *_STEP.values(), _COUNTER)


@dataclass(frozen=True)
class Tap:
    """Where a step's numbers lie, in bytes from the pointers: each pixel's sixteen channels, and 256 weights."""

    pixels: tuple[int, ...]
    weights: int


@dataclass(frozen=True)
class Loop:
    """``count`` turns of ``taps``, the pointers moving on by ``pixel_step`` and ``weight_step`` bytes after each."""

    taps: tuple[Tap, ...]
    count: int
    pixel_step: int
    weight_step: int

    @property
    def pixels(self) -> int:
        return len(self.taps[0].pixels)

    @property
    def is_in_reach(self) -> bool:
        """Tell whether loads reach all of a turn from its pointers, and registers hold the steps."""
        offsets = [offset for tap in self.taps for offset in (*tap.pixels, tap.weights)]
        steps = self.pixel_step, self.weight_step
        return 0 <= min(offsets) <= max(offsets) + _GROUPS * 16 <= _REACH and 0 <= min(steps) <= max(steps) < 1 << 31


def sdot_function(loop: Loop, starts: bool) -> tuple[str, str]:
    """A function that adds a loop's products to sums: its name, and its text to LLVM.

    ``i32 name(sums, pixels, weights)``. One that ``starts`` the sums is ``i32 name(sums, pixels, weights, biases)``:
    those of every pixel begin with the four vectors of biases.
    """
    count, kind = loop.pixels * _VECTORS, "<4 x i32>"
    given = ["%pixels", "%weights", *(["%biases"] if starts else [])]
    places = [f"%p{i} = getelementptr i8, ptr %sums, i64 {16 * i}" for i in range(count)]
    before = [] if starts else [f"%a{i} = load {kind}, ptr %p{i}, align 16" for i in range(count)]
    # Left to choose registers for twenty results at once, LLVM stores all of them.
    outputs = [f"={{v{_REGISTERS - count + i}}}" for i in range(count)] + ["=&r"] * len(given)
    tied = [str(i) for i in range(count if starts else 0, count + len(given))]
    clobbered = [f"~{{{name}}}" for name in (*(f"v{i}" for i in range(_REGISTERS - count)), *_INTEGERS, "cc", "memory")]
    operands = ", ".join([*([] if starts else [f"{kind} %a{i}" for i in range(count)]), *(f"ptr {of}" for of in given)])
    results = f"{{ {', '.join([kind] * count + ['ptr'] * len(given))} }}"
    text, constraints = "\\0A".join(assembly(loop, starts)), ",".join([*outputs, *tied, *clobbered])
    call = f'%r = call {results} asm sideeffect "{text}", "{constraints}"({operands})'
    after = [f"%b{i} = extractvalue {results} %r, {i}\n  store {kind} %b{i}, ptr %p{i}, align 16" for i in range(count)]
    body = "\n  ".join([*places, *before, call, *after, "ret i32 0"])
    name = f"rdpass_sdot_{sha256(body.encode()).hexdigest()[:16]}"
    return name, f"define i32 @{name}(ptr %sums, {', '.join(f'ptr {of}' for of in given)}) {{\n  {body}\n}}\n"


def assembly(loop: Loop, starts: bool) -> list[str]:
    """The lines of a loop: operands are the sums, pixel by pixel, the pointers of pixels and weights, and of biases."""
    return _Writer(loop).lines(starts)


@dataclass(frozen=True)
class _Companion:
    """What stands behind the product number ``slot``, in the turn before where that is negative.

    A load lies ``offset`` bytes from the pointer called ``of``.
    """

    text: str
    slot: int
    of: str = ""
    offset: int = 0


class _Slots:
    """How many companions stand behind each product of a turn."""

    def __init__(self, length: int) -> None:
        self.length = length
        # The branch back is the companion of the last.
        self.taken = Counter([length - 1])

    def take(self, latest: int, earliest: int) -> int:
        """The last of the best slots of a window."""
        return self.take_of(range(latest, min(earliest, latest) - 1, -1))

    def take_of(self, window: Iterable[int]) -> int:
        """The first of the best: an empty one, or one where another companion is alone."""

        def cost(slot: int) -> tuple[int, int]:
            taken = self.taken[slot % self.length]
            return taken % 2, taken

        slot = min(window, key=cost)
        self.taken[slot % self.length] += 1
        return slot


class _Writer:
    """Registers: the tile's pixels, in one set or two in turn; the weights on their way; and the sums, as operands."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.size, self.groups = loop, loop.pixels, _GROUPS * len(loop.taps)
        self.length = self.groups * self.size
        free = _REGISTERS - _VECTORS * self.size
        self.sets = 2 if free >= 2 * self.size + 8 else 1
        # Turns are to use the same registers.
        room = min(free - self.sets * self.size, 8)
        self.held = max(count for count in range(1, room + 1) if self.groups % count == 0)
        self.pointers = {"pixels": f"${_VECTORS * self.size}", "weights": f"${_VECTORS * self.size + 1}"}
        self.steps = {"pixels": loop.pixel_step, "weights": loop.weight_step}
        slots = _Slots(self.length)
        found = [*self._pixels(slots), *self._weights(slots)]
        self.companions = sorted(found, key=lambda companion: companion.slot)
        every = range(self.length)
        self.moves = {of: slots.take_of(at for at in every if self._may_move(of, at)) for of in self.pointers}
        self.counts = slots.take_of(every)

    def lines(self, starts: bool) -> list[str]:
        count, loops = self.loop.count, self.loop.count > 2
        lines = _number(_COUNTER, count - 1) if loops else []
        for of, step in self.steps.items():
            lines += _number(_STEP[of], step) if count > 1 and step > _ADDED else []
        early = [self._written(companion, 0) for companion in self.companions if companion.slot < 0]
        lines += self._started(early) if starts else early
        if count > 1:
            lines += [*(["1:"] if loops else []), *self._turn(follows=True), *(["b.ne 1b"] if loops else [])]
        return lines + self._turn(follows=False)

    def _started(self, loads: list[str]) -> list[str]:
        """The first pixel's sums are loaded, the others copied from them, with the first loads in between."""
        biases = f"${_VECTORS * self.size + 2}"
        lines = [f"ldr ${{{vector}:q}}, [{biases}, #{16 * vector}]" for vector in range(_VECTORS)]
        for sums in range(_VECTORS, _VECTORS * self.size):
            lines += [f"mov ${sums}.16b, ${sums % _VECTORS}.16b", *loads[:1]]
            loads = loads[1:]
        return lines + loads

    def _turn(self, follows: bool) -> list[str]:
        """The products of a turn and their companions; ``follows``: with those of the turn after it."""
        behind: list[list[str]] = [[] for _ in range(self.length)]
        for companion in self.companions:
            slot = companion.slot % self.length
            if follows:
                behind[slot].append(self._written(companion, self._moved(companion, self.moves.get(companion.of, 0))))
            elif companion.slot >= 0:
                behind[slot].append(self._written(companion, 0))
        if follows:
            for of, slot in self.moves.items():
                step = _STEP[of] if self.steps[of] > _ADDED else f"#{self.steps[of]}"
                behind[slot].append(f"add {self.pointers[of]}, {self.pointers[of]}, {step}")
            if self.loop.count > 2:
                behind[self.counts].append(f"subs {_COUNTER}, {_COUNTER}, #1")
        return [line for index, companions in enumerate(behind) for line in (self._product(index), *companions)]

    def _moved(self, companion: _Companion, move: int) -> int:
        """Bytes that a load's place is off by, in a turn whose pointer moves on in the slot ``move``."""
        ahead, behind = companion.slot < 0, companion.slot % self.length > move
        return (ahead - behind) * self.steps.get(companion.of, 0)

    def _may_move(self, of: str, slot: int) -> bool:
        loads = (companion for companion in self.companions if companion.of == of)
        return all(_BEFORE <= load.offset + self._moved(load, slot) <= _REACH for load in loads)

    def _product(self, index: int) -> str:
        """Every vector of weights meets every pixel, four channels after four."""
        group, pixel = divmod(index, self.size)
        four, vector = divmod(group, _VECTORS)
        half, part = divmod(four, 2)
        sums = f"${pixel * _VECTORS + vector}.4s"
        return f"sdot {sums}, v{self._weights_in(group)}.16b, v{self._pixel_in(half, pixel)}.4b[{part}]"

    def _pixel_in(self, half: int, pixel: int) -> int:
        return half % self.sets * self.size + pixel

    def _weights_in(self, group: int) -> int:
        return self.sets * self.size + group % self.held

    def _pixels(self, slots: _Slots) -> list[_Companion]:
        """Loads of halves of pixels, each behind the last product that reads its register."""
        found = []
        for half in range(2 * len(self.loop.taps)):
            tap, upper = divmod(half, 2)
            for pixel, place in enumerate(self.loop.taps[tap].pixels):
                used = _GROUPS // 2 * self.size * half + pixel
                freed = used - _GROUPS // 2 * self.size * (self.sets - 1) - self.size
                latest = used - _LOADED
                # Of one set, each wants the first slot in which its register is free: so the next finds room.
                slot = (
                    slots.take(latest, freed)
                    if self.sets == 2
                    else slots.take_of(range(min(freed, latest), latest + 1))
                )
                found.append(_Companion(f"ldr d{self._pixel_in(half, pixel)}", slot, "pixels", place + 8 * upper))
        return found

    def _weights(self, slots: _Slots) -> list[_Companion]:
        """Loads and inserts of weights, behind the last product that reads their register."""
        found = []
        for group in range(self.groups):
            tap, place = divmod(group, _GROUPS)
            offset = self.loop.taps[tap].weights + 16 * place
            used, freed = group * self.size, (group - self.held + 1) * self.size - 1
            vector, passing = self._weights_in(group), _PASSING[group % len(_PASSING)]
            insert = slots.take(used - _INSERTED, max(freed + _LOADED, used - _INSERTED - self.size))
            earliest = max(freed, insert - _LOADED - 3 * self.size)
            upper, lower = (slots.take(insert - _LOADED, earliest) for _ in range(2))
            found.append(_Companion(f"ldr d{vector}", lower, "weights", offset))
            found.append(_Companion(f"ldr {passing}", upper, "weights", offset + 8))
            found.append(_Companion(f"mov v{vector}.d[1], {passing}", insert))
        return found

    def _written(self, companion: _Companion, moved: int) -> str:
        """``moved``: bytes that a load lies further from its pointer."""
        if not companion.of:
            return companion.text
        offset = companion.offset + moved
        name = companion.text if offset >= 0 else companion.text.replace("ldr", "ldur")
        return f"{name}, [{self.pointers[companion.of]}, #{offset}]"


def _number(register: str, value: int) -> list[str]:
    """A number of up to 32 bits."""
    low, high = value & 0xFFFF, value >> 16
    return [f"movz {register}, #{low}", *([f"movk {register}, #{high}, lsl #16"] if high else [])]

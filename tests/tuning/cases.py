"""Workloads of every class, with constants, and how many maps their kernels read."""

import numpy as np

from rdpass.core.numeric_types import INT8
from rdpass.kernels.machine import machine_of
from rdpass.kernels.workload import Convolution, Elementwise, Epilogue, Head, PointwisePair, Pooling, Stem
from rdpass.kernels.workload.concatenation import Concatenation
from rdpass.targets.lookup import find_target
from tests.kernels.examples import integer_examples
from tests.kernels.numbers import constants_of

MACHINE = machine_of(find_target("rpi4"))


ADDED, IN_PLACE = Epilogue("relu", add=True), Epilogue("relu", add=True, in_place=True)


def conv(channels=8, filters=8, kernel=1, epilogue=ADDED):
    return Convolution(1, channels, filters, 6, 6, (kernel, kernel), padding=(kernel // 2,) * 4, epilogue=epilogue)


def numbers(*shape):
    return np.ones(shape, np.float32)


def layer(work):
    return numbers(work.filters, work.channels // work.groups, *work.kernel), [numbers(work.filters)]


PAIR = PointwisePair(conv(8, 24, epilogue=Epilogue("relu")), conv(24, 8))


CASES = {
    "added": (conv(), layer(conv()), 1),
    "in place": (conv(epilogue=IN_PLACE), layer(conv()), 1),
    "3x3": (conv(kernel=3), layer(conv(kernel=3)), 1),
    "pair": (PAIR, tuple(zip(*map(layer, (PAIR.first, PAIR.second)), strict=True)), 1),
    "stem": (Stem(conv(3, 8, 3, Epilogue())), layer(conv(3, 8, 3)), 1),
    "pooling": (Pooling(1, 8, 6, 6, "max", (2, 2), (2, 2), (0, 0, 0, 0)), (), 1),
    "head": (Head(1, 8, 36, 5), ((numbers(5, 8), numbers(5)),), 1),
    "gate": (Elementwise(1, 8, 36, Epilogue("relu"), "gate"), ([numbers(8)],), 2),
    "gate and add": (Elementwise(1, 8, 36, ADDED, "gate"), ([numbers(8)],), 2),
    "constant": (Elementwise(1, 8, 36, IN_PLACE, "constant"), ([numbers(8), numbers(8)],), 1),
}


def _maps(work):
    """Maps that come before the constants."""
    if isinstance(work, Concatenation):
        return len(work.parts)
    return 2 if isinstance(work, Elementwise) and work.scale in ("gate", "map") else 1


BYTES = {
    f"{index} {work.describe()}": (work, constants_of(work), _maps(work))
    for index, work in enumerate(integer_examples(INT8))
}
"""The same of bytes."""

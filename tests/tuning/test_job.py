"""Messages to workers: maps before the constants are counted, and all of them go through a pipe."""

import pickle

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT16, FLOAT32, UINT8
from rdpass.deploy.device.tracker import Tracker
from rdpass.kernels.choice import build_kernels, rank_tiles
from rdpass.tuning.job import Job, NetworkVariant, Step, Timing, Trouble, Variant
from rdpass.tuning.libraries import step_of

from .cases import BYTES, CASES, MACHINE

EVERY = {**CASES, **BYTES}
CONSTANTS = (np.ones(3, np.float32), np.zeros((1, 4), np.float32))


@pytest.mark.parametrize(
    ("parameters", "constants", "adds", "in_place", "inputs"),
    [(3, 0, False, False, 1), (5, 2, False, False, 1), (6, 2, True, False, 1), (5, 2, True, True, 1),
     (6, 2, False, False, 2), (7, 2, True, False, 2)],
)  # fmt: skip
def test_inputs_are_what_is_left_of_the_parameters(parameters, constants, adds, in_place, inputs):
    step = Step("kernel", ((1,),) * parameters, (FLOAT32,) * parameters, CONSTANTS[:constants], adds, in_place)
    assert step.inputs == inputs


@pytest.mark.parametrize(("work", "constants", "inputs"), EVERY.values(), ids=EVERY.keys())
def test_a_kernel_says_its_inputs_whatever_its_workload(work, constants, inputs):
    tile = rank_tiles(work, MACHINE)[0].tile
    assert [step_of("k", kernel).inputs for kernel in build_kernels(work, constants, tile, MACHINE)] == [inputs]


def test_what_goes_through_a_pipe_is_what_comes_out_of_it():
    step = Step("kernel", ((1, 2), (3,)), (UINT8, FLOAT16), CONSTANTS, True, False)
    expected = np.arange(4, dtype=np.uint8)
    job = Job(
        Variant("a.so", (step,), expected),
        NetworkVariant("b.so", CONSTANTS),
        4,
        3,
        1 << 20,
        Tracker("pi", 9190, "k"),
        6.0,
    )
    again = pickle.loads(pickle.dumps(job))
    (came,) = again.default.steps
    assert (came.function, came.shapes, came.types) == (step.function, step.shapes, step.types)
    assert all(map(np.array_equal, came.constants, CONSTANTS))
    assert np.array_equal(again.default.expected, expected)
    assert all(map(np.array_equal, again.tuned.inputs, CONSTANTS))
    assert (again.threads, again.rounds, again.flush, again.tracker, again.timeout) == (4, 3, 1 << 20, job.tracker, 6.0)
    for answer in (Timing(1.0, 2.0, 9, 0.1, 0.0), Trouble("it crashed", crashed=True)):
        assert pickle.loads(pickle.dumps(answer)) == answer


def test_trouble_is_no_crash_unless_it_says_so():
    assert not Trouble("no answer").crashed

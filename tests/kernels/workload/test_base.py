"""What every workload tells of itself: numeric types, epilogue, operations, and that equal ones are equal."""

import pickle
from dataclasses import FrozenInstanceError, fields

import pytest

from rdpass.core.numeric_types import ALL_FLOAT32
from rdpass.kernels.workload import NO_EPILOGUE, Head, Pooling, Resizing, Workload
from tests.kernels.examples import EXAMPLES

each = pytest.mark.parametrize("work", EXAMPLES, ids=lambda work: work.describe())


@each
def test_equal_workloads_are_one_key_and_survive_a_process(work):
    other = pickle.loads(pickle.dumps(work))
    assert other == work
    assert other is not work
    assert {work: 1}[other] == 1


@each
def test_a_workload_can_not_be_changed(work):
    with pytest.raises(FrozenInstanceError):
        setattr(work, fields(work)[0].name, None)


@each
def test_types_are_those_of_every_step(work):
    assert work.types == ALL_FLOAT32
    assert set(work.all_types) == {ALL_FLOAT32}


@each
def test_only_what_adds_a_map_may_be_written_over_it(work):
    if isinstance(work, Pooling | Resizing | Head):
        assert work.epilogue == NO_EPILOGUE
        with pytest.raises(TypeError, match="adds no map"):
            work.in_place()
    else:
        placed = work.in_place()
        assert placed.epilogue == work.epilogue.placed(True)
        assert (placed.operations, placed.types, type(placed)) == (work.operations, work.types, type(work))


def test_a_workload_has_to_tell_its_types_operations_and_words():
    assert Workload.__abstractmethods__ == {"types", "operations", "describe"}
    with pytest.raises(TypeError, match="abstract"):
        Workload()

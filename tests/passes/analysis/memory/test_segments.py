"""Segments against every set of tasks that an order can have done."""

from hypothesis import given

from rdpass.passes.analysis.memory.liveness import readers_of
from rdpass.passes.analysis.memory.segments import segments
from tests.passes.analysis.memory.problems import problems


@given(problems(most=12))
def test_every_segment_is_a_set_that_no_order_can_enter_or_leave_otherwise(problem):
    parts = segments(problem)
    assert [task for part in parts for task in part] == list(range(len(problem.tasks)))
    readers = readers_of(problem)
    for part in parts[:-1]:
        reached, end = {part[-1]}, part[-1]
        for task in range(end, -1, -1):  # everything before the segment's end leads to it
            if any(reader in reached for reader in readers[problem.written(task)]):
                reached.add(task)
        assert reached == set(range(end + 1))

"""Live bytes against a simulation, one buffer at a time."""

import pytest
from hypothesis import given

from rdpass.passes.analysis.memory.liveness import Problem, Task, live_bytes
from rdpass.passes.analysis.memory.schedule import schedule
from tests.passes.analysis.memory.problems import problems, simulated_peak


@given(problems(most=12))
def test_live_bytes_are_what_a_simulation_counts(problem):
    order = tuple(range(len(problem.tasks)))
    assert max(live_bytes(problem, order)) == simulated_peak(problem, order)


def test_an_order_that_cannot_be_run_is_refused():
    problem = Problem((1, 1, 1), 1, (Task((0,)), Task((1,))), frozenset({2}))
    with pytest.raises(ValueError, match="not written yet"):
        live_bytes(problem, (1, 0))


def test_a_kernel_writes_over_an_operand_only_when_nobody_reads_it_later_and_never_over_an_input():
    def peak(tasks, outputs=(), inputs=1):
        problem = Problem((4,) * (inputs + len(tasks)), inputs, tasks, frozenset(outputs))
        return schedule(problem).peak

    assert peak((Task((0,)), Task((1,), over=(1,)))) == 8
    assert peak((Task((0,), over=(0,)),), outputs=(1,)) == 8
    assert peak((Task((0,)), Task((1,), over=(1,)), Task((1, 2))), outputs=(3,)) == 12
    assert peak((Task((0,)), Task((1,), over=(1,))), outputs=(1, 2)) == 8

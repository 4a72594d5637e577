"""Schedules against an oracle that shares no code with them: every order of a small graph, one buffer at a time."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.passes.analysis.memory.liveness import Problem, Task, live_bytes, readers_of
from rdpass.passes.analysis.memory.schedule import greedy_order, schedule
from rdpass.passes.analysis.memory.segments import segments
from tests.support import lines_run


@st.composite
def problems(draw, most=7):
    """One or two inputs and up to ``most`` tasks; some may write over an operand, some buffers are outputs."""
    inputs, count = draw(st.integers(1, 2)), draw(st.integers(1, most))
    tasks = []
    for written in range(inputs, inputs + count):
        near = draw(st.booleans())
        pool = range(max(0, written - 3), written) if near else range(written)
        reads = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3, unique=True))
        over = tuple(buffer for buffer in reads if draw(st.integers(0, 2)) == 0)
        tasks.append(Task(tuple(reads), over))
    sizes = draw(st.lists(st.integers(1, 6), min_size=inputs + count, max_size=inputs + count))
    outputs = draw(st.sets(st.integers(0, inputs + count - 1), max_size=2)) | {inputs + count - 1}
    return Problem(tuple(sizes), inputs, tuple(tasks), frozenset(outputs))


def simulated_peak(problem, order):
    """The memory model's four sentences, one after another, with a dictionary for memory; None for an invalid order."""
    memory = {buffer: problem.sizes[buffer] for buffer in range(problem.inputs)}
    peak = sum(memory.values()) if not order else 0
    for position, index in enumerate(order):
        task, own = problem.tasks[index], problem.inputs + index
        if any(buffer not in memory for buffer in task.reads):
            return None
        later = {buffer for other in order[position + 1 :] for buffer in problem.tasks[other].reads}
        dead = {buffer for buffer in task.reads if buffer not in later and buffer not in problem.outputs}
        reused = [b for b in task.over if b in dead and b >= problem.inputs and problem.sizes[b] == problem.sizes[own]]
        memory[own] = 0 if reused else problem.sizes[own]
        peak = max(peak, sum(memory.values()))
        memory[own] = problem.sizes[own]
        for buffer in dead:
            del memory[buffer]
        if own not in later and own not in problem.outputs:
            del memory[own]
    return peak


def best_peak(problem):
    """By brute force over all permutations."""
    peaks = (simulated_peak(problem, order) for order in permutations(range(len(problem.tasks))))
    return min(peak for peak in peaks if peak is not None)


@settings(max_examples=300)
@given(problems(most=6))
def test_the_schedule_is_the_best_of_all_orders_and_says_so(problem):
    found = schedule(problem)
    assert sorted(found.order) == list(range(len(problem.tasks)))
    assert found.peak == simulated_peak(problem, found.order) == best_peak(problem)
    assert found.optimal


@given(problems(), st.integers(1, 12))
def test_a_search_that_runs_out_still_brackets_the_optimum(problem, bound):
    exact, hurried = schedule(problem), schedule(problem, move_bound=bound)
    assert hurried.at_least <= exact.peak <= hurried.peak
    assert simulated_peak(problem, hurried.order) == hurried.peak


@given(problems(most=12))
def test_live_bytes_are_what_a_simulation_counts(problem):
    order = tuple(range(len(problem.tasks)))
    assert max(live_bytes(problem, order)) == simulated_peak(problem, order)


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


@given(problems(most=12))
def test_the_greedy_order_of_a_whole_graph_can_be_run(problem):
    order = greedy_order(problem, range(len(problem.tasks)), readers_of(problem))
    assert simulated_peak(problem, order) is not None


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


def test_a_network_without_kernels_has_no_peak():
    empty = schedule(Problem((3,), 1, (), frozenset({0})))
    assert (empty.order, empty.peak, empty.optimal) == ((), 0, True)


def chain_of_blocks(count):
    """``count`` residual blocks: a wide map forks into two narrow tasks and a third writes over it."""
    sizes, tasks, fork = [4], [], 0
    for _ in range(count):
        first = len(sizes)
        tasks += [Task((fork,)), Task((first,)), Task((first + 1, fork), over=(fork,))]
        sizes += [1, 1, 4]
        fork = first + 2
    return Problem(tuple(sizes), 1, tuple(tasks), frozenset({fork}))


def test_ten_times_the_blocks_take_about_ten_times_the_work():
    small, large = (lines_run(schedule, chain_of_blocks(count)) for count in (300, 3000))
    assert large < 15 * small


def test_parallel_branches_of_many_tasks_are_ordered_one_after_another():
    """Eight branches of forty tasks between one fork and one join: 41 to the power of eight sets."""
    sizes, tasks, ends = [2], [], []
    for _ in range(8):
        before = 0
        for step in range(40):
            tasks.append(Task((before,)))
            before = len(sizes)
            sizes.append(5 if step % 2 == 0 else 1)
        ends.append(before)
    problem = Problem((*sizes, 8), 1, (*tasks, Task(tuple(ends))), frozenset({len(sizes)}))
    found = schedule(problem)
    assert found.optimal
    assert found.peak == 16

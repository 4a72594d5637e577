"""Schedules against an oracle that shares no code with them: every order of a small graph, one buffer at a time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.passes.analysis.memory.liveness import Problem, Task, readers_of
from rdpass.passes.analysis.memory.schedule import greedy_order, schedule
from tests.passes.analysis.memory.problems import best_peak, problems, simulated_peak
from tests.support import lines_run


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
def test_the_greedy_order_of_a_whole_graph_can_be_run(problem):
    order = greedy_order(problem, range(len(problem.tasks)), readers_of(problem))
    assert simulated_peak(problem, order) is not None


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

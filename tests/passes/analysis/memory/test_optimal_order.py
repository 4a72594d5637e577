"""A segment's order against all orders of it, and what a search that runs out still knows."""

from hypothesis import given, settings

from rdpass.passes.analysis.memory.liveness import Problem, Task, live_bytes, readers_of
from rdpass.passes.analysis.memory.optimal_order import Exhausted, Found, optimal_order
from rdpass.passes.analysis.memory.segments import Segment
from tests.passes.analysis.memory.problems import best_peak, problems


def whole(problem):
    """All of the problem as one segment."""
    live = sum(problem.sizes[: problem.inputs])
    return Segment.of(problem, range(len(problem.tasks)), live, readers_of(problem))


@settings(max_examples=150)
@given(problems(most=6))
def test_the_order_found_can_be_run_and_none_has_a_lower_peak(problem):
    segment = whole(problem)
    found = optimal_order(segment, 0, 10_000)
    assert isinstance(found, Found)
    assert sorted(found.order) == list(range(len(problem.tasks)))
    assert max(live_bytes(problem, found.order)) == found.peak == best_peak(problem)
    assert segment.floor() <= found.peak


@settings(max_examples=150)
@given(problems(most=6))
def test_a_search_within_a_floor_need_be_no_better_than_that(problem):
    generous = sum(problem.sizes)
    found = optimal_order(whole(problem), generous, 10_000)
    assert isinstance(found, Found)
    assert found.peak == generous
    assert max(live_bytes(problem, found.order)) <= generous


@settings(max_examples=150)
@given(problems(most=7))
def test_a_search_that_runs_out_names_a_peak_below_which_no_order_is(problem):
    result = optimal_order(whole(problem), 0, 1)
    if isinstance(result, Exhausted):
        assert result.moves > 1
        assert result.at_least <= best_peak(problem)
    else:
        assert result.peak == best_peak(problem)


def test_of_two_branches_the_one_that_ends_small_goes_first():
    """The input feeds a hill that ends in a small map and one that ends in a large one: 20 before 8 would cost more."""
    tasks = (Task((0,)), Task((1,)), Task((0,)), Task((3,)), Task((2, 4)))
    problem = Problem((1, 20, 1, 20, 10, 1), 1, tasks, frozenset({5}))
    found = optimal_order(whole(problem), 0, 10_000)
    assert found.order[:2] == (0, 1)
    assert found.peak == 1 + 1 + 20 + 10 - 1

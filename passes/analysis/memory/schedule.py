"""Schedule kernels so that the least memory is live: optimal where that can be found, and it says so.

Every segment (``segments``) is searched on its own, the short ones first, within a bound on the moves looked at. Where
a search runs out, a second one asks only for an order within what the others prove to be needed anyway; where that
fails too, the better of a greedy order and the graph's own is taken. The peak is optimal when it equals the largest of
the segments' lower bounds.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from rdpass.passes.analysis.memory.liveness import Problem, live_bytes, readers_of
from rdpass.passes.analysis.memory.optimal_order import Exhausted, optimal_order
from rdpass.passes.analysis.memory.segments import Segment, segments

MOVE_BOUND = 10_000  # of one segment's search; a whole graph has three times that
BITS_BOUND = 200_000_000  # moves times tasks: what one search may hold in memory, about 25 MB of sets


@dataclass(frozen=True)
class Schedule:
    """``order``: task numbers; ``live``: bytes live while each of them runs, in that order; ``at_least``: bytes below
    which no schedule's peak can be."""

    order: tuple[int, ...]
    live: tuple[int, ...]
    at_least: int

    @property
    def peak(self) -> int:
        return max(self.live, default=0)

    @property
    def optimal(self) -> bool:
        return self.peak == self.at_least


def schedule(problem: Problem, move_bound: int = MOVE_BOUND) -> Schedule:
    """The best schedule found within ``move_bound`` moves a segment."""
    planner = _Planner(problem, move_bound)
    planner.solve()
    live = live_bytes(problem, planner.order)
    alone = (live[part.start] for part in planner.parts if len(part) == 1)
    return Schedule(tuple(planner.order), live, max(planner.at_least, *alone, 0, 0))


class _Planner:
    """Fills ``order`` segment by segment: a segment's tasks keep its places, whatever their order."""

    def __init__(self, problem: Problem, move_bound: int) -> None:
        self.problem, self.move_bound, self.moves_left = problem, move_bound, 3 * move_bound
        self.readers = readers_of(problem)
        self.parts = segments(problem)
        self.entry_live = _live_before(problem, self.parts, self.readers)
        self.order = list(range(len(problem.tasks)))
        self.at_least = 0

    def solve(self) -> None:
        composed = sorted((part for part in self.parts if len(part) > 1), key=len)
        unsolved = [part for part in composed if not self._search(part, 0)]
        self.moves_left = 3 * self.move_bound
        left = [part for part in unsolved if not self._search(part, self.at_least)]
        self._order_greedily(left)

    def _search(self, part: range, floor: int) -> bool:
        """Look for a segment's best order, though it need be no better than ``floor``; False if it was not found."""
        segment = Segment.of(self.problem, part, self.entry_live[part.start], self.readers)
        bound = max(2 * len(part), min(self.move_bound, self.moves_left, BITS_BOUND // len(part)))
        result = optimal_order(segment, max(floor, segment.floor()), bound)
        self.moves_left = max(0, self.moves_left - result.moves)
        if isinstance(result, Exhausted):
            self.at_least = max(self.at_least, result.at_least)
            return False
        self.at_least = max(self.at_least, result.peak)
        self.order[part.start : part.stop] = result.order
        return True

    def _order_greedily(self, parts: Iterable[range]) -> None:
        parts = list(parts)
        own = live_bytes(self.problem, self.order) if parts else ()
        before = list(self.order)
        for part in parts:
            self.order[part.start : part.stop] = greedy_order(self.problem, part, self.readers)
        greedy = live_bytes(self.problem, self.order) if parts else ()
        for part in parts:
            places = slice(part.start, part.stop)
            if max(own[places]) < max(greedy[places]):
                self.order[places] = before[places]


def _live_before(problem: Problem, parts: list[range], readers: list[list[int]]) -> dict[int, int]:
    """Bytes live as each segment begins: the same in every schedule."""
    last_reader = [max(found, default=-1) for found in readers]
    live, result = sum(problem.sizes[: problem.inputs]), {}
    for part in parts:
        result[part.start] = live
        for task in part:
            own = problem.written(task)
            if own in problem.outputs or last_reader[own] > task:
                live += problem.sizes[own]
            read = problem.tasks[task].reads
            live -= sum(problem.sizes[b] for b in read if last_reader[b] == task and b not in problem.outputs)
    return result


def greedy_order(problem: Problem, tasks: range, readers: list[list[int]]) -> tuple[int, ...]:
    """A good order of a segment too large to search: always the ready task that adds the fewest bytes to what is live.

    In O(n log n): what a task frees only ever grows, so an old entry of the heap is merely too pessimistic, and a task
    is entered anew when it becomes the last reader of an operand.
    """
    left = {b: len(readers[b]) for task in tasks for b in problem.tasks[task].reads}
    for buffer in left:  # readers before the segment are done
        left[buffer] -= sum(1 for reader in readers[buffer] if reader < tasks.start)
    waiting = {task: sum(b - problem.inputs in tasks for b in problem.tasks[task].reads) for task in tasks}
    heap = [(_growth(problem, task, left), task) for task in tasks if not waiting[task]]
    heapq.heapify(heap)
    done: set[int] = set()
    order = []
    while heap:
        _, task = heapq.heappop(heap)
        if task in done:
            continue
        done.add(task)
        order.append(task)
        for buffer in problem.tasks[task].reads:
            left[buffer] -= 1
            if left[buffer] == 1:
                last = next((r for r in reversed(readers[buffer]) if r in tasks and r not in done), None)
                if last is not None and not waiting[last]:
                    heapq.heappush(heap, (_growth(problem, last, left), last))
        for reader in readers[problem.written(task)]:
            if reader in tasks:
                waiting[reader] -= 1
                if not waiting[reader]:
                    heapq.heappush(heap, (_growth(problem, reader, left), reader))
    return tuple(order)


def _growth(problem: Problem, task: int, left: dict[int, int]) -> int:
    freed = sum(problem.sizes[b] for b in problem.tasks[task].reads if left[b] == 1 and b not in problem.outputs)
    return problem.sizes[problem.written(task)] - freed

"""A graph falls apart at the tasks that every schedule reaches with the same ones done; and the states of one segment.

A task that everything earlier leads to and that leads to everything later is done, in any schedule, right after the
same set of others. So what lies between two such tasks can be ordered on its own, and a chain costs linear time. With
tasks numbered in an order that can be run, task i is one when (a) each earlier task has a successor at or before i, and
(b) each later one a predecessor at or after i: following these leads to i.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from rdpass.passes.analysis.memory.liveness import Problem, readers_of


def segments(problem: Problem) -> list[range]:
    """Consecutive ranges of tasks, each ending in such a task (the last one in whatever is left)."""
    count = len(problem.tasks)
    first_successor = [min(readers, default=count) for readers in readers_of(problem)[problem.inputs :]]
    last_predecessor = [max((b - problem.inputs for b in task.reads), default=-1) for task in problem.tasks]
    reached = _running_maxima(first_successor)
    leading = [count - 1 - value for value in _running_maxima([count - 1 - p for p in reversed(last_predecessor)])][
        ::-1
    ]
    found, start = [], 0
    for index in range(count):
        meets_earlier = index == 0 or reached[index - 1] <= index
        meets_later = index == count - 1 or leading[index + 1] >= index
        if (meets_earlier and meets_later) or index == count - 1:
            found.append(range(start, index + 1))
            start = index + 1
    return found


def _running_maxima(values: list[int]) -> list[int]:
    highest, result = -1, []
    for value in values:
        highest = max(highest, value)
        result.append(highest)
    return result


@dataclass(frozen=True)
class State:
    """The tasks of a segment that are done, what is live then, and what may come next."""

    done: int  # bit i: the segment's task i
    live: int  # bytes
    ready: tuple[int, ...]
    number_done: int


@dataclass
class Segment:
    """A segment's tasks with bit sets in place of lists. ``live`` is what is live before it begins."""

    problem: Problem
    tasks: range
    live: int
    readers: dict[int, int] = field(default_factory=dict)  # of a buffer that dies here: bits of its readers
    predecessors: list[int] = field(default_factory=list)
    successors: list[tuple[int, ...]] = field(default_factory=list)

    @classmethod
    def of(cls, problem: Problem, tasks: range, live: int, readers: list[list[int]]) -> Segment:
        segment = cls(problem, tasks, live)
        touched = {b for task in tasks for b in problem.tasks[task].reads} | {problem.written(task) for task in tasks}
        for buffer in touched:
            all_readers = readers[buffer]  # ascending, and perhaps thousands of them elsewhere
            if buffer not in problem.outputs and (not all_readers or all_readers[-1] in tasks):
                here = all_readers[bisect_left(all_readers, tasks.start) :]
                segment.readers[buffer] = sum(1 << r - tasks.start for r in here)
        for task in tasks:
            before = {b - problem.inputs for b in problem.tasks[task].reads}
            segment.predecessors.append(sum(1 << p - tasks.start for p in before if p in tasks))
            after = [r - tasks.start for r in readers[problem.written(task)] if r in tasks]
            segment.successors.append(tuple(after))
        return segment

    def start(self) -> State:
        ready = tuple(i for i, before in enumerate(self.predecessors) if not before)
        return State(0, self.live, ready, 0)

    def needs(self, state: State, index: int) -> int:
        """Bytes live while the task runs."""
        _, in_place = self._dying(state.done, index)
        return state.live + (0 if in_place else self._own_bytes(index))

    def after(self, state: State, index: int) -> State:
        dying, _ = self._dying(state.done, index)
        own = self.problem.written(self.tasks[index])
        kept = self.readers.get(own) != 0
        done = state.done | 1 << index
        newly = tuple(s for s in self.successors[index] if not self.predecessors[s] & ~done)
        ready = tuple(i for i in state.ready if i != index) + newly
        live = state.live - dying + (self._own_bytes(index) if kept else 0)
        return State(done, live, ready, state.number_done + 1)

    def _own_bytes(self, index: int) -> int:
        return self.problem.sizes[self.problem.written(self.tasks[index])]

    def _dying(self, done: int, index: int) -> tuple[int, bool]:
        """Bytes that die with the task, and whether the result takes the place of some of them."""
        task, sizes = self.problem.tasks[self.tasks[index]], self.problem.sizes
        left, own, total, in_place = ~(done | 1 << index), self._own_bytes(index), 0, False
        for buffer in task.reads:
            readers = self.readers.get(buffer)
            if readers is not None and not readers & left:
                total += sizes[buffer]
                in_place |= buffer in task.over and buffer >= self.problem.inputs and sizes[buffer] == own
        return total, in_place

    def floor(self) -> int:
        """Bytes that some task needs in any order: its operands, its result, and what only passes by."""
        touched = {b for task in self.tasks for b in self.problem.tasks[task].reads}
        sizes, first = self.problem.sizes, self.problem.written(self.tasks.start)
        passing = self.live - sum(sizes[b] for b in touched if b < first)
        best = self.live
        for task in self.tasks:
            operands, own = self.problem.tasks[task], sizes[self.problem.written(task)]
            over = any(sizes[b] == own and b >= self.problem.inputs for b in operands.over)
            best = max(best, passing + sum(sizes[b] for b in operands.reads) + (0 if over else own))
        return best

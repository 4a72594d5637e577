"""A graph falls apart at the tasks that every schedule reaches with the same ones done.

A task that everything earlier leads to and that leads to everything later is done, in any schedule, right after the
same set of others. So what lies between two such tasks can be ordered on its own, and a chain costs linear time. With
tasks numbered in an order that can be run, task i is one when (a) each earlier task has a successor at or before i, and
(b) each later one a predecessor at or after i: following these leads to i.
"""

from __future__ import annotations

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

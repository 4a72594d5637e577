"""A good order of a segment too large to search: always the ready task that adds the fewest bytes to what is live."""

from __future__ import annotations

import heapq

from rdpass.passes.analysis.memory.liveness import Problem


def greedy_order(problem: Problem, tasks: range, readers: list[list[int]]) -> tuple[int, ...]:
    """An order in O(n log n). What a task frees only ever grows, so an old entry of the heap is merely too pessimistic:
    a task is entered anew when it becomes the last reader of an operand."""
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

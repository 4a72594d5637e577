"""Live buffers while each kernel of a schedule runs: the memory model, in one place.

1. An input is live from the start to its last reader, and never written over: it is the caller's.
2. A buffer is live from the kernel that writes it to its last reader, an output to the end; while a kernel runs, what
   it reads and what it writes are live together.
3. But a kernel writes its result over an operand (``over``) of the same size that nobody reads later: then there is one
   buffer, not two.
4. Weights and a kernel's scratch are not counted. The peak is the largest sum over all kernels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A kernel to schedule. It writes the buffer numbered like itself after the inputs."""

    reads: tuple[int, ...]
    over: tuple[int, ...] = ()


@dataclass(frozen=True)
class Problem:
    """Buffers 0 … ``inputs`` - 1 are there from the start; task k, in an order that can be run, writes ``inputs`` + k.
    ``sizes`` are bytes per buffer, ``outputs`` outlive everything."""

    sizes: tuple[int, ...]
    inputs: int
    tasks: tuple[Task, ...]
    outputs: frozenset[int] = frozenset()

    def written(self, task: int) -> int:
        return self.inputs + task


def readers_of(problem: Problem) -> list[list[int]]:
    """The tasks that read each buffer, in order."""
    readers: list[list[int]] = [[] for _ in problem.sizes]
    for index, task in enumerate(problem.tasks):
        for buffer in task.reads:
            readers[buffer].append(index)
    return readers


def live_bytes(problem: Problem, order: Iterable[int]) -> tuple[int, ...]:
    """Bytes live while each task of ``order`` runs.

    Raises:
        ValueError: a task reads what is not written yet.
    """
    left = [len(readers) for readers in readers_of(problem)]
    written = set(range(problem.inputs))
    live = sum(problem.sizes[buffer] for buffer in written)
    curve = []
    for index in order:
        task, own = problem.tasks[index], problem.written(index)
        if not written.issuperset(task.reads):
            raise ValueError(f"task {index} reads a buffer that is not written yet")
        for buffer in task.reads:
            left[buffer] -= 1
        dying = [b for b in task.reads if not left[b] and b not in problem.outputs]
        in_place = any(_replaceable(problem, b, own) for b in task.over if b in dying)
        curve.append(live + (0 if in_place else problem.sizes[own]))
        written.add(own)
        kept = own in problem.outputs or left[own]
        live += (problem.sizes[own] if kept else 0) - sum(problem.sizes[b] for b in dying)
    return tuple(curve)


def _replaceable(problem: Problem, operand: int, result: int) -> bool:
    return operand >= problem.inputs and problem.sizes[operand] == problem.sizes[result]

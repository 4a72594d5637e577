"""Random scheduling problems, and the memory model as a simulation that shares no code with it."""

from itertools import permutations

from hypothesis import strategies as st

from rdpass.passes.analysis.memory.liveness import Problem, Task


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

"""A process that times kernels and networks, on this host or on a board: ``python -m rdpass.tuning.worker FD``.

It may crash, hang or be killed without harm to who started it. It reads jobs from the pipe FD and answers each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
import tvm
from tvm.runtime.vm import VirtualMachine

from rdpass.core.comparison import Array, relative_error
from rdpass.core.numeric_types import FLOAT32, NumericType
from rdpass.deploy.device.tracker import Tracker
from rdpass.tuning.job import Job, NetworkVariant, Step, Timing, Trouble, Variant

_CALLS = 3  # timed calls of a variant in each round
_AT_MOST = 2.5  # times the rounds asked for, while there is reason to go on
_SETTLED = 0.97  # of the shortest time so far: what is above is no news
_ADDED = 9  # seed of the map to add
_UNWRITTEN = 99  # a byte like any other
_BIG_CORES = 1  # TVM's number for threads on the fastest cores


def main() -> None:
    connection: Connection[Any, Any] = Connection(int(sys.argv[1]))
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        try:
            answer: Timing | Trouble = time_job(job)
        except Exception as error:  # TVM raises whatever happened on the board
            lines = [line for line in str(error).splitlines() if line.strip()]
            answer = Trouble(f"{type(error).__name__}: {lines[-1] if lines else 'no reason given'}"[:300])
        connection.send(answer)


def time_job(job: Job) -> Timing:
    """Run both variants once and compare what they give; then time them in turn."""
    place: Any = _Here() if job.tracker is None else _Board(job.tracker, job.timeout)
    place.function("runtime.config_threadpool")(_BIG_CORES, job.threads)
    default, tuned = (_load(place, variant) for variant in (job.default, job.tuned))
    error = max(map(error_of, tuned.run(), _expected(job.default, default)))
    times: dict[_Loaded, list[Array]] = {default: [], tuned: []}
    while not _is_enough(list(times.values()), job.rounds):
        for loaded, found in times.items():
            found.append(loaded.time(job.flush))
    own, base = np.concatenate(times[tuned]), np.concatenate(times[default])
    spread = np.quantile(own, 0.75) / own.min() - 1
    return Timing(float(own.min()), float(base.min()), len(own), float(spread), error)


def _expected(variant: Variant | NetworkVariant, loaded: _Loaded) -> list[Array]:
    """What outputs are held against: what was computed beforehand, or what the default gives here."""
    outputs = loaded.run()
    known = variant.expected if isinstance(variant, Variant) else None
    return outputs if known is None else [known]


def _is_enough(times: Sequence[Sequence[Array]], rounds: int) -> bool:
    """After ``rounds`` rounds, or more while the last still brought a time that is clearly shorter.

    The shortest time counts: what else a machine does makes a call longer, never shorter.
    """
    done = len(times[0])
    if done < rounds or done >= _AT_MOST * rounds:
        return done >= rounds
    return all(found[-1].min() >= _SETTLED * np.min(found[:-1]) for found in times)


class _Here:
    """This host."""

    def __init__(self) -> None:
        self.device = tvm.cpu()

    def function(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = tvm.get_global_func(name)
        return found

    def load(self, path: str) -> Any:
        return tvm.runtime.load_module(path)


class _Board:
    """A board that a tracker lends until this object is gone."""

    def __init__(self, tracker: Tracker, timeout: float) -> None:
        from tvm import rpc

        self._session = rpc.connect_tracker(tracker.host, tracker.port).request(
            tracker.key, session_timeout=timeout, max_retry=1
        )
        self.device = self._session.cpu(0)

    def function(self, name: str) -> Callable[..., Any]:
        found: Callable[..., Any] = self._session.get_function(name)
        return found

    def load(self, path: str) -> Any:
        self._session.upload(path)
        return self._session.load_module(path.rpartition("/")[2])


class _Loaded(Protocol):
    """A variant where it is to run, with its arguments."""

    def run(self) -> list[Array]:
        """The outputs of a run."""
        ...

    def time(self, flush: int) -> Array:
        """Seconds of each of ``_CALLS`` calls."""
        ...


def _load(place: Any, variant: Variant | NetworkVariant) -> _Loaded:
    return _Kernels(place, variant) if isinstance(variant, Variant) else _Network(place, variant)


class _Kernels:
    """All kernels of a workload, one after another."""

    def __init__(self, place: Any, variant: Variant) -> None:
        self._device, self._module = place.device, place.load(variant.library)
        self._steps = variant.steps
        self._arguments: list[list[Any]] = []
        for step in variant.steps:
            tensors = [tvm.runtime.tensor(array, self._device) for array in arguments_of(step)]
            if self._arguments:  # it reads what the step before has written
                tensors[0] = self._arguments[-1][-2]
            self._arguments.append(tensors)

    def run(self) -> list[Array]:
        for step, arguments in zip(self._steps, self._arguments, strict=True):
            self._module[step.function](*arguments)
        return [self._arguments[-1][-2].numpy()]

    def time(self, flush: int) -> Array:
        total = np.zeros(_CALLS)
        for step, arguments in zip(self._steps, self._arguments, strict=True):
            evaluator = self._module.time_evaluator(
                step.function, self._device, number=1, repeat=_CALLS, cache_flush_bytes=flush
            )
            total += evaluator(*arguments).results
        return total


class _Network:
    """A network in TVM's virtual machine. One call leaves the cache to the next as it is in use: nothing is flushed."""

    def __init__(self, place: Any, variant: NetworkVariant) -> None:
        self._device = place.device
        self._machine = VirtualMachine(place.load(variant.library), place.device)
        self._machine.set_input("main", *(tvm.runtime.tensor(array, place.device) for array in variant.inputs))

    def run(self) -> list[Array]:
        self._machine.invoke_stateful("main")
        outputs = self._machine.get_outputs("main")
        return [output.numpy() for output in ([outputs] if isinstance(outputs, tvm.runtime.Tensor) else outputs)]

    def time(self, flush: int) -> Array:
        evaluator = self._machine.time_evaluator("invoke_stateful", self._device, number=1, repeat=_CALLS)
        return np.array(evaluator("main").results)


def arguments_of(step: Step) -> list[Array]:
    """Random maps, the same for every tile of a workload; where nothing is to be read NaN, of integers any number."""
    kinds = list(zip(step.shapes, step.types, strict=True))
    given = [*(_numbers(number, *kinds[number]) for number in range(step.inputs)), *step.constants]
    if step.adds and not step.in_place:
        given.append(_numbers(_ADDED, *kinds[len(given)]))
    output = _numbers(_ADDED, *kinds[-2]) if step.in_place else _poison(*kinds[-2])
    return [*given, output, _poison(*kinds[-1])]


def added_of(step: Step) -> Array | None:
    """The map that is added, if there is one."""
    if not step.adds:
        return None
    return arguments_of(step)[-2 if step.in_place else -3]


def as_map(array: Array, shape: Sequence[int]) -> Array:
    """A map in the order of ``shape``, (N, C, H, W) or whatever it is, out of the blocks that kernels work on.

    Blocks are (N, C / L, P, L); the channels that fill the last one are left out.
    """
    if array.ndim != 4:
        return array.reshape(shape)
    batch, count, pixels, lanes = array.shape
    return array.transpose(0, 1, 3, 2).reshape(batch, count * lanes, pixels)[:, : shape[1]].reshape(shape)


def error_of(output: Array, expected: Array) -> float:
    """The relative error of a kernel's output, ``expected`` being in blocks as it is, or a map."""
    return relative_error(output if output.shape == expected.shape else as_map(output, expected.shape), expected)


def _numbers(seed: int, shape: Sequence[int], numeric: NumericType) -> Array:
    random = np.random.default_rng(seed)
    if numeric.is_float:
        return random.standard_normal(shape, np.dtype(FLOAT32)).astype(numeric, copy=False)
    info = np.iinfo(numeric.value)
    return random.integers(info.min, info.max, shape, numeric.value, endpoint=True)


def _poison(shape: Sequence[int], numeric: NumericType) -> Array:
    return np.full(shape, np.nan if numeric.is_float else _UNWRITTEN, numeric)


if __name__ == "__main__":
    main()

"""One run: epochs of steps, with the state kept whole between any two of them.

A step, and whatever writes the state, happens under the interruption's shield; everything else may be left at once.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from itertools import islice
from typing import Any

from rdpass.core.interruption import Interrupted, Interruption
from rdpass.training.averaging import Average
from rdpass.training.batches import placed, rows_of, step_named, unpacking_for
from rdpass.training.config import DistillConfig
from rdpass.training.evaluation import check_measurable, evaluate
from rdpass.training.faults import NotFinite
from rdpass.training.generators import Stream, read_generators, seed_generators, set_generators
from rdpass.training.gradient_share import gradient_share
from rdpass.training.learning_rate import learning_rates
from rdpass.training.loading import Loading, Place
from rdpass.training.memory_layout import training_layout
from rdpass.training.objective import Batch, Objective
from rdpass.training.recovery import recovered
from rdpass.training.report import Report
from rdpass.training.request import Request
from rdpass.training.selection import EXPORTED, Selection, check_selection
from rdpass.training.state import Keeper, Position, Record, fingerprint, restore_snapshot, take_snapshot
from rdpass.training.step import Stepper, Taken
from rdpass.training.world import World

Group = list[tuple[int, Any]]
Told = tuple[Taken, float, dict[str, float], Mapping[str, float]]


class Run:
    """A training under way. ``finish`` takes it to its end."""

    def __init__(
        self, objective: Objective, request: Request, loading: Loading, world: World, interruption: Interruption
    ) -> None:
        self._objective, self._request, self._loading = objective, request, loading
        self._world, self._interruption = world, interruption
        self._config: DistillConfig = request.config
        check_selection(self._config, request.validate)
        self._layout = training_layout(objective, self._config.device)
        self._teacher = fingerprint(objective.teacher)
        self._unpacking = unpacking_for(objective.student)
        objective.to(self._config.device, memory_format=self._layout)  # type: ignore[call-overload]
        self._stepper = Stepper(objective, self._config, world)
        self._average = Average(objective.student, self._config.ema) if self._config.ema is not None else None
        self._selection = Selection(self._config)
        in_memory = self._config.on_nan == "rollback"
        self._keeper, self._is_kept = Keeper(request.checkpoint, in_memory), in_memory or request.checkpoint is not None
        self._steps = self._config.epochs * math.ceil(loading.length / self._config.accumulate)
        self._rate = learning_rates(self._config, self._steps)
        self._position = Position()
        self._saved_at = time.monotonic()

    def finish(self) -> list[Record]:
        """Go on from the checkpoint, where one is to be resumed, until the last epoch is done."""
        self._begin()
        with Report(self._request, self._steps, self._position.step, self._world.is_first) as self._report:
            try:
                while not self._is_over():
                    try:
                        self._epoch()
                    except NotFinite as fault:
                        self._recover(fault)
            except Interrupted:
                self._save()
                raise
            except KeyboardInterrupt:  # raised by the loader itself, or by a second Ctrl-C amid a step
                if not self._interruption.shielded and self._world.size == 1:
                    self._save()
                raise
            return self._result()

    def _is_over(self) -> bool:
        epochs = self._position.epoch
        return epochs >= self._config.epochs or self._selection.is_over(epochs)

    def _result(self) -> list[Record]:
        """The history, and in the student the weights that are the result."""
        student, history = self._objective.student, self._position.history
        if self._average is not None:
            self._average.put()
        told = self._selection.result(student, history)
        if self._selection.is_asked:
            chosen = next((int(record["epoch"]) for record in told if EXPORTED in record), 0)
            self._report.note(f"of {len(history)} epochs, {self._config.epochs} at most, number {chosen} is exported")
        return told

    def _begin(self) -> None:
        check_measurable(self._objective.student, self._request)
        snapshot = self._keeper.load() if self._request.resume else None
        # Where the generators stand between steps; to be read here only, for a loader may be drawing from them.
        seed_generators(self._config.seed, self._world.rank)
        self._generators = read_generators(devices=True)
        self._loaders_own = [generator.get_state() for generator in self._loading.generators()]
        self._place: Place | None = None  # of the loader after the last step, where it can tell
        self._resumed_at: Place | None = None
        if snapshot is not None:
            self._restore(snapshot)
        elif self._config.on_nan == "rollback":
            self._save()

    def _epoch(self) -> None:
        if not self._position.consumed:
            self._loaders_own = [generator.get_state() for generator in self._loading.generators()]
        self._objective.train()
        resumed_at, self._resumed_at = self._resumed_at, None
        batches = self._loading.epoch(self._position.epoch, self._position.consumed, resumed_at)
        while group := list(islice(batches, self._config.accumulate)):
            with self._interruption.shield():
                stop = self._take_up(group)
            if stop:
                raise Interrupted(stop)
        record = self._record()
        position = self._position
        with self._interruption.shield():
            position.history.append(record)
            position.epoch, position.consumed, position.rows = position.epoch + 1, 0, 0.0
            position.sums.clear()
            self._loaders_own = [generator.get_state() for generator in self._loading.generators()]
            self._place = self._loading.place() if self._is_kept else None
            self._save()
            self._report.epoch(record, position.step)

    def _take_up(self, group: Group) -> int:
        """Step on a group of batches, save if it is time to; the signal to stop for, if one came to any process."""
        fault = told = None
        batches: list[Batch] = []
        try:
            batches = [self._unpack(raw, index) for index, raw in group]
        except NotFinite as found:
            fault = found
        # One exchange: rows, and what any process has to say to all others.
        flags = [sum(map(rows_of, batches)), fault is not None, bool(self._interruption.pending), self._is_late()]
        agreed = self._world.sums([float(flag) for flag in flags], self._config.device)
        if agreed[1]:
            self._leave_out(fault or NotFinite("another process met inputs that are not finite", group[0][0], True))
        elif (self._position.epoch, group[0][0]) not in self._position.skipped:
            with step_named(batches, group[0][0], self._unpacking.example):
                told = self._step(batches, agreed[0], group[0][0])
        position = self._position
        position.consumed += len(group)
        position.step += 1
        self._generators = read_generators(devices=True)
        self._place = self._loading.place() if self._is_kept else None
        if told is not None:
            self._tell(*told)
        every = self._config.checkpoint_steps
        if agreed[3] or (every and position.step % every == 0):
            self._save()
        return (self._interruption.pending or signal.SIGTERM) if agreed[2] and self._world.size > 1 else 0

    def _unpack(self, raw: Any, index: int) -> Batch:
        batch = self._unpacking.batch(raw, index)
        if not self._loading.is_shared_out():
            batch = self._world.share(batch, index)
        return placed(batch, self._config.device, self._layout)

    def _step(self, batches: list[Batch], rows: float, first: int) -> Told:
        position, every = self._position, self._config.share_steps
        state = self._objective.set_progress(position.step / self._steps)
        shares = {}
        if every and position.step % every == 0:
            with self._stepper.autocast():
                shares = gradient_share(self._objective, batches[0])
        rate = position.lr_scale * self._rate(position.step)
        taken = self._stepper.take(batches, rows, rate, first)
        if self._average is not None:
            self._average.update(position.step)
        position.rows += rows
        for name, value in taken.terms.items():
            position.sums[name] = position.sums.get(name, 0.0) + value * rows
        return taken, rate, shares, state

    def _tell(self, taken: Taken, rate: float, shares: dict[str, float], state: Mapping[str, float]) -> None:
        """The step is done; what a callback raises loses nothing of it."""
        try:
            self._report.step(self._position, taken, rate, shares, state)
        except BaseException:
            if self._world.size == 1:  # the others would have to be asked, and wait elsewhere
                with suppress(NotFinite):  # such a state is never kept
                    self._save()
            raise

    def _record(self) -> Record:
        position = self._position
        means = {name: total / max(1.0, position.rows) for name, total in position.sums.items()}
        record = {"epoch": position.epoch + 1.0, "loss": sum(means.values())}
        record |= {f"loss.{name}": mean for name, mean in means.items()}
        if self._request.validate is not None:
            # Told anew, for a run that was interrupted while it measured has taken no step since.
            state = self._objective.set_progress(max(0, position.step - 1) / self._steps)
            with self._average.in_place() if self._average is not None else nullcontext():
                with Stream(self._config.seed, position.epoch, 2):
                    record |= evaluate(self._objective.student, self._request, self._world)
                if self._selection.is_asked and state.get("faded", 1.0) == 1.0:
                    self._selection.consider(record, self._objective.student)
        return record

    def _is_late(self) -> bool:
        return self._world.is_first and time.monotonic() - self._saved_at >= self._config.checkpoint_seconds

    def _save(self) -> None:
        """Every process checks what it has; the first one writes."""
        if self._average is not None:
            self._average.put_back()
        snapshot = take_snapshot(self._objective, self._stepper, self._position, self._config, self._teacher)
        snapshot |= {"generators": self._world.gather(self._generators), "loader": self._loaders_own}
        if self._place is not None:
            snapshot["places"] = self._world.gather(self._place)
        if self._average is not None:
            snapshot["average"] = self._average.state()
        if self._selection.is_asked:
            snapshot["selection"] = self._selection.state()
        if self._world.is_first or self._request.checkpoint is None:
            self._keeper.save(snapshot)
        self._saved_at = time.monotonic()

    def _restore(self, snapshot: dict[str, Any]) -> None:
        self._position = restore_snapshot(snapshot, self._objective, self._stepper, self._config, self._teacher)
        if self._average is not None:
            self._average.load(snapshot["average"])
        if self._selection.is_asked:
            self._selection.load(snapshot["selection"])
        states = snapshot["generators"]
        set_generators(states[self._world.rank % len(states)])
        self._generators, self._loaders_own = read_generators(devices=True), snapshot["loader"]
        for generator, state in zip(self._loading.generators(), self._loaders_own, strict=True):
            generator.set_state(state)
        places = snapshot.get("places", [])
        self._place = places[self._world.rank] if len(places) == self._world.size else None
        self._resumed_at = self._place

    def _leave_out(self, fault: NotFinite) -> None:
        """Inputs that are not finite have touched nothing yet: the step that would have read them is left out."""
        self._position = recovered(self._position, self._position, fault, self._config)
        self._report.note(f"{fault}: left out")

    def _recover(self, fault: NotFinite) -> None:
        failed = self._position
        recovered(failed, failed, fault, self._config)  # raises if the run is to stop
        self._world.wait()
        with self._interruption.shield():
            snapshot = self._keeper.load()
            assert snapshot is not None
            self._restore(snapshot)
            self._position = recovered(self._position, failed, fault, self._config)
            self._save()
        self._report.note(f"{fault} at step {failed.step}; back to step {self._position.step}")

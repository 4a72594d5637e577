"""``fit``: the network that keeps to a budget and loses least.

1. Costs of all networks by the account; no training.
2. What needs no training is measured: the network as it is, and its exact form, in every precision. If one of them
   keeps to the budget, the search is over.
3. Of the others, those that keep to the limits of cost are trained for a short while and measured: probes.
4. The best few are trained in full, by ``convert`` and with one teacher, and measured; their costs are estimated anew.

Every finding is in the record before the next step begins, so a search that was stopped goes on where it was.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn
from torch.fx import GraphModule

from rdpass.capture.trace import Example, trace
from rdpass.core.comparison import users_tolerance
from rdpass.core.errors import ConfigError, PassError, RdpassError, first_line
from rdpass.core.numeric_types import BYTES, SINGLE, Precision
from rdpass.core.places import check_free
from rdpass.deploy.precision import check_computes, check_precision
from rdpass.fitting.choice import Worthy, ranked, untrained, verdict_of, worth_training
from rdpass.fitting.costs import check_costs, take_costs
from rdpass.fitting.limits import Limits, limits_of, milliseconds
from rdpass.fitting.networks import Network
from rdpass.fitting.page import PAGE, write_page
from rdpass.fitting.record import RECORD, TRAINED, Fit, Journal, plain_record, read_fit
from rdpass.fitting.trials import Probed, Trials
from rdpass.inspection import plan_of
from rdpass.profiling.account.choices import choice_key, estimate_networks, precisions_of
from rdpass.recipes.catalogue import find_recipe
from rdpass.recipes.keep import KEEP
from rdpass.recipes.prune import TYPES
from rdpass.runs.folder import held
from rdpass.sources.image_loaders import check_labels
from rdpass.sources.models import first_sample
from rdpass.targets.isa import isa_of
from rdpass.targets.lookup import find_target
from rdpass.targets.target import Target
from rdpass.training.config import DistillConfig, settings_of_now
from rdpass.training.losses import find_distance, find_loss
from rdpass.training.objective import Distance, Loss
from rdpass.training.request import Request
from rdpass.training.state import fingerprint
from rdpass.training.world import check_device, current_world

POINTS = "points"
"""The folder of the run folders."""

Make = Callable[[Network, Sequence[Precision]], Probed]


def fit(
    model: nn.Module,
    example: Example = None,
    *,
    target: str | Target,
    latency: str | None = None,
    peak: str | None = None,
    size: str | None = None,
    drop: float | None = None,
    train: Iterable[Any] | None = None,
    validate: Iterable[Any] | None = None,
    metric: Any = None,
    loss: str | Loss | None = None,
    distance: str | Distance | None = None,
    recipe: str = "auto",
    config: DistillConfig | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    leaf: Sequence[str] = (),
    max_macs: float = 1.3,
    precisions: Sequence[Precision] = (),
    points: int = 3,
    images: int | None = None,
    budget_time: str | None = None,
    tolerance: float | None = None,
    out: str | Path | None = None,
    resume: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    show_progress: bool = True,
) -> Fit:
    """Look for the network that keeps to a budget on a board and loses least accuracy.

    Looked at are the model as it is, without the shortcuts that can leave exactly, without all, also with pairs of 1x1
    convolutions merged, without those that cost most, and with fewer channels, each in float32, int8 and, where the
    core has it, float16. docs/fit.md says how the search goes.

    Args:
        model: any module; copied, never changed.
        example: a tensor, or a tuple of them, as the model takes it; costs are for its shape. None: the first row of
            ``validate``.
        target: a name that ``rdpass targets`` lists, or a target of one's own.
        latency: the most time of one inference on one core, with its unit: ``30ms``.
        peak: the most memory of activations and scratch: ``1MB``.
        size: the most bytes of weights as the kernels want them: ``5MB``.
        drop: by how much the figure may be lower than the model's: 0.5 points of top-1.
        train: batches to learn from, as ``convert`` takes them.
        validate: batches to measure on, with labels or what ``metric`` needs.
        metric: as ``evaluate`` takes it; of its first number more is better. None: top-1.
        loss: as ``convert`` takes it.
        distance: as ``convert`` takes it.
        recipe: what trains networks without shortcuts; a name as ``convert`` takes it.
        config: training settings.
        only: globs on the shortcuts that may leave, by node name or module path.
        skip: globs on shortcuts to leave alone.
        leaf: globs on submodules to keep whole where tracing can't follow them.
        max_macs: how many multiply-accumulates the exact network may have, as a ratio to the model's.
        precisions: to look at, of those that the core computes in; empty for all.
        points: networks to train in full, at most.
        images: to measure on, at most; None for all.
        budget_time: after which no further step begins, with its unit: ``2h``. A training that would take longer than
            what is left does not begin either.
        tolerance: of every gate in float32, as ``convert`` takes it.
        out: a folder for the record, the page, and a run folder for each point; see docs/fit.md.
        resume: ``"auto"`` goes on with the search that lies at ``out``, whose limits may be others.
        force: replace what lies at ``out``.
        dry_run: take the costs alone, and write nothing.
        show_progress: show on stderr how far it is.

    Returns:
        Networks, costs, probes, points and a verdict; ``best`` is the point to build, None where nothing meets the
        budget.

    Raises:
        ConfigError: a wrong argument, no data or no limit, or an output place that can't be used.
        TraceError: the model can't be turned into a graph.
        TargetError: no such target, it does not compute in such a precision, or no figures of it are known.
        DivergedError: the data can't be used, or every training failed.

    Example:
        >>> import rdpass
        >>> found = rdpass.fit(model, example, target="rpi4", peak="5kB", dry_run=True, show_progress=False)
        >>> {(cost.network, cost.precision) for cost in found.within} <= {(c.network, c.precision) for c in found.costs}
        True
    """
    limits = limits_of(latency, peak, size, drop)
    clock = _Clock(None if budget_time is None else milliseconds(budget_time, "budget_time", "2h") / 1e3)
    board = find_target(target) if isinstance(target, str) else target
    chosen = _precisions(board, precisions)
    if points < 1 or (images is not None and images < 1):
        raise ConfigError("points and images are at least 1")
    if not find_recipe(recipe, has_data=True).needs_data:
        raise ConfigError(f"recipe {recipe} trains nothing; fit looks at exact removal anyway: give one that trains")
    check_costs(board)
    if not dry_run:
        _check(limits, train, validate, out)
        check_device((config or DistillConfig()).device)
    folder = None if out is None or dry_run else Path(out)
    settings = _for_blocks(config or DistillConfig(), board, chosen)
    with ExitStack() as stack:
        stack.enter_context(users_tolerance(tolerance))
        stack.enter_context(held(folder))
        _check_place(folder, resume, force)
        if example is None and validate is not None:
            example = first_sample(model, validate)
        traced = trace(model, example, leaf)
        if loss is None and metric is None:
            check_labels(traced, train, validate)
        plan = plan_of(traced, tuple(only), tuple(skip))
        told = {
            "model": fingerprint(traced.module), "input": [list(x.shape) for x in traced.example], "recipe": recipe,
            "loss": _name(loss), "distance": _name(distance), "metric": _name(metric), "only": list(only),
            "skip": list(skip), "leaf": list(leaf), "max_macs": max_macs, "precisions": list(chosen),
            "images": images, "train": settings.model_dump(mode="json"),
        }  # fmt: skip
        journal = _journal(Fit(board.name, limits, told), folder)
        request = Request(
            only=tuple(only), skip=tuple(skip), max_macs=max_macs, train=train, loss=find_loss(loss),
            distance=find_distance(distance), config=settings, show_progress=show_progress,
        )  # fmt: skip
        take_costs(journal, traced, plan, board, chosen, recipe, request)
        if folder is None or train is None or validate is None:
            return journal.found
        trials = Trials(
            model, traced.example, train, validate, loss, distance, metric, tuple(leaf), max_macs, settings, images,
            show_progress,
        )  # fmt: skip
        return _Search(journal, trials, board, folder, points, clock).run()


def _for_blocks(config: DistillConfig, board: Target, precisions: Sequence[Precision]) -> DistillConfig:
    """Settings by which widths of pruned layers fill the blocks of the kernels in every precision."""
    if config.prune.multiple is not None:
        return config
    widest = max(isa_of(board).block(TYPES[precision]) for precision in precisions)
    return config.model_copy(update={"prune": config.prune.model_copy(update={"multiple": widest})})


def _precisions(board: Target, asked: Sequence[Precision]) -> tuple[Precision, ...]:
    """The precisions to look at: those asked for, in their usual order, or all of the core's."""
    for precision in asked:
        check_precision(precision)
        check_computes(board, precision)
    return tuple(each for each in precisions_of(board) if not asked or each in asked)


def _check(limits: Limits, train: object, validate: object, out: object) -> None:
    """
    Raises:
        ConfigError: what a search takes, beyond costs, is missing.
    """
    if limits == Limits():
        raise ConfigError(
            "there is no budget: give latency, peak, size or drop (--latency 30ms); a dry run shows all costs"
        )
    if train is None or validate is None:
        raise ConfigError(
            "fit trains, and measures on images held out: give train= and validate= (--data pkg.mod:fn that gives"
            " (train, validate)); a dry run does without"
        )
    if isinstance(train, Iterator) or isinstance(validate, Iterator):
        raise ConfigError("an iterator can't be read again, and fit reads the data several times; give loaders")
    if current_world().size > 1:
        raise ConfigError(
            "fit runs in one process: start it without torchrun (its points can be trained on with convert)"
        )
    if out is None:
        raise ConfigError("fit writes a folder of networks: give out= (--out fit/)")


def written_files(folder: Path) -> set[str] | None:
    """What ``fit`` writes into its folder; None for another folder."""
    return {RECORD, PAGE, f"{POINTS}/"} if (folder / RECORD).is_file() else None


def _check_place(folder: Path | None, resume: str | None, force: bool) -> None:
    """Refuse a place that can't be; remove an older search that is to be replaced.

    Raises:
        ConfigError: it is taken, and neither to be resumed nor replaced.
    """
    if resume not in (None, "auto"):
        raise ConfigError(f"resume is 'auto' or left out, not {resume!r}")
    if folder is None or (resume and not force and (folder / RECORD).is_file()):
        return
    if (folder / RECORD).is_file() and not force:
        raise ConfigError(f"a search lies in {folder}; go on with it (--resume auto), or --force anew")
    check_free(folder, force, written_files)
    if folder.exists():
        shutil.rmtree(folder)


def _journal(fresh: Fit, folder: Path | None) -> Journal:
    """The journal of a search that begins, or of the one in ``folder`` that goes on, with the limits of now.

    Raises:
        ConfigError: that one was about something else.
    """
    if folder is None or not (folder / RECORD).is_file():
        journal = Journal(fresh, folder)
    else:
        before, now = read_fit(folder), plain_record(fresh)
        written = {**before.settings, "train": settings_of_now(before.settings.get("train") or {})}
        others = [name for name, value in now["settings"].items() if written.get(name) != value]
        others += ["target"] * (before.target != fresh.target)
        if others:
            raise ConfigError(
                f"the search in {folder} was made with another {', another '.join(others)}: give the same, or --force"
                " anew"
            )
        journal = Journal(replace(before, limits=fresh.limits, left_out=(), verdict=""), folder)
    journal.put()
    return journal


def _name(given: Any) -> str | None:
    """A function's or a class's name, as a record can hold it."""
    if given is None or isinstance(given, str):
        return given
    return getattr(given, "__qualname__", type(given).__qualname__)


class _Clock:
    """What is left of the time that a search may take, in seconds."""

    def __init__(self, seconds: float | None) -> None:
        self._end = float("inf") if seconds is None else time.monotonic() + seconds

    def left(self) -> float:
        return self._end - time.monotonic()


@dataclass(frozen=True)
class _Search:
    """The steps after the costs, each of which does what the journal lacks."""

    journal: Journal
    trials: Trials
    board: Target
    folder: Path
    most: int
    clock: _Clock

    def run(self) -> Fit:
        if self.found.teacher is None:
            figure, teacher = self.trials.baseline()
            self.journal.put(figure=figure, teacher=teacher)
        self._measure_untrained()
        self._train(self._probed())
        found = self.journal.put(verdict=verdict_of(self.found))
        write_page(found, self.folder)
        return found

    @property
    def found(self) -> Fit:
        return self.journal.found

    def _measure_untrained(self) -> None:
        """The network as it is in every precision, and the exact one in those that keep to the limits of cost."""
        for network in self.found.networks:
            costs = self.found.costs if network.recipe == KEEP.name else self.found.within
            precisions = tuple(cost.precision for cost in costs if cost.network == network.name)
            done = any(each.network == network.name for each in untrained(self.found))
            if precisions and not network.trains and not done:
                self._say(f"measuring {network.name}")
                out = self.folder / POINTS / network.folder
                self._keep(self._tried(network, precisions, partial(self.trials.untrained, out=out)))

    def _probed(self) -> Worthy:
        """The networks that are worth a training, each with a probe; where one fails, those that it stood for.

        Raises:
            RdpassError: all of them failed; the last one's error.
        """
        failures: dict[str, RdpassError] = {}
        while True:
            worthy, needless = worth_training(self.found, failures)
            new = self._probe(worthy)
            failures |= new
            if not new:
                break
        for each in needless:
            self.journal.leave_out(each.add, each.reason)
        if failures and not ranked(self.found, worthy):
            raise list(failures.values())[-1]
        return worthy

    def _probe(self, worthy: Worthy) -> dict[str, RdpassError]:
        """A short training of each network that has none yet; what failed, with the reason."""
        probed = {each.network for each in self.found.probes}
        waiting = [name for name in worthy if self.found.network(name).trains and name not in probed]
        failures: dict[str, RdpassError] = {}
        for count, name in enumerate(waiting, 1):
            if self.clock.left() <= 0:
                self.journal.leave_out(name, "not probed: the time was up")
                continue
            self._say(f"probe {count} of {len(waiting)}: {name}")
            made = self._tried(self.found.network(name), worthy[name], self.trials.probe)
            if isinstance(made, RdpassError):
                failures[name] = made
            else:
                seconds = {**self.found.seconds, name: made.seconds}
                self.journal.put(probes=(*self.found.probes, *made.measured), seconds=seconds)
        return failures

    def _train(self, worthy: Worthy) -> None:
        """The trainings in full, of those that lost least in their probes; for one that fails the next."""
        names = ranked(self.found, worthy)
        trained = {each.network for each in self.found.measured if each.how == TRAINED}
        done = 0
        for name in names:
            seconds = self.found.seconds.get(name, 0.0) * self.trials.steps
            if done == self.most:
                self.journal.leave_out(name, f"not trained: {done} others lost less in their probes")
            elif name in trained:
                done += 1
            elif self.clock.left() <= seconds:
                self.journal.leave_out(name, f"not trained: it takes about {_duration(seconds)}, which is not left")
            else:
                self._say(f"training {done + 1} of {min(self.most, len(names))}: {name}")
                done += self._trained(self.found.network(name), worthy[name])

    def _trained(self, network: Network, worthy: Sequence[Precision]) -> bool:
        """Whether a network could be trained in full; it is kept and measured then."""
        wanted = dict.fromkeys((SINGLE, *worthy) if network.trains else worthy)
        precisions = tuple(each for each in wanted if self.found.cost(network.name, each))
        out = self.folder / POINTS / (network.folder if network.trains else f"{network.folder}-{BYTES}")
        made = self._tried(network, precisions, partial(self.trials.trained, out=out))
        if isinstance(made, Probed) and network.trains:
            self._estimate_anew(network, made.student, precisions)
        self._keep(made)
        return isinstance(made, Probed)

    def _estimate_anew(self, network: Network, student: GraphModule, precisions: Sequence[Precision]) -> None:
        """Put the costs of the student itself in the place of those of the draft, which had other weights."""
        costs, _ = estimate_networks({network.name: student}, self.trials.example, self.board, precisions)
        own = {(cost.network, cost.precision): cost for cost in costs}
        self.journal.put(costs=tuple(own.get((cost.network, cost.precision), cost) for cost in self.found.costs))

    def _tried(self, network: Network, precisions: Sequence[Precision], make: Make) -> Probed | RdpassError:
        """A network as ``make`` makes and measures it, without int8 if it can't be quantised; or why there is none."""
        try:
            made = make(network, precisions)
        except PassError:
            raise
        except RdpassError as error:
            others = tuple(each for each in precisions if each != BYTES)
            name = choice_key(network.name, BYTES) if others != precisions and others else network.name
            self.journal.leave_out(name, first_line(error))
            return error if name == network.name else self._tried(network, others, make)
        for each in made.skipped:
            self.journal.leave_out(each.add, each.reason)
        return made

    def _keep(self, made: Probed | RdpassError) -> None:
        if isinstance(made, Probed):
            self.journal.put(measured=(*self.found.measured, *made.measured))

    def _say(self, text: str) -> None:
        if self.trials.show_progress:
            print(f"fit: {text}", file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))

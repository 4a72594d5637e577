"""Shared by ``joint``, ``kd`` and ``plain``: a student without shortcuts from the first step, and its training."""

from __future__ import annotations

import random
from dataclasses import replace

import torch

from rdpass.core.plan import Plan, Region, Traced
from rdpass.passes.distill.fold_scales import fold_scales, reset_scales
from rdpass.passes.distill.initialise_student import fold_dirac, initialise_student
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.editing import body_output
from rdpass.passes.graph.pass_manager import Pass, run_passes
from rdpass.recipes.finishing import counterpart_of, finished_student, rehearse, removal_of
from rdpass.recipes.fresh_statistics import refresh_statistics
from rdpass.recipes.pair_merging import FADE, PairMerging, fade_pairs, pairs_to_merge
from rdpass.recipes.path_setup import path_objective
from rdpass.recipes.preparation import chosen_regions, prepared_teacher
from rdpass.recipes.recipe import Removal
from rdpass.training.engine import train
from rdpass.training.objective import Listener, nothing_fades
from rdpass.training.request import Request
from rdpass.training.schedules import FadeSchedule
from rdpass.training.selection import share_done

HOW = {"warm": "the teacher's weights", "random": "random weights", "dirac": "Dirac convolutions"}


def remove_by_cutting(teacher: Traced, plan: Plan, request: Request) -> Removal:
    """A student that has no shortcut from the first step on, trained over the paths that the settings ask for.

    Raises:
        ParityError: the student's folded form is not what was trained.
        DivergedError: the data or the loss were not usable.
    """
    options = request.config.student
    prepared = prepared_teacher(teacher)
    regions = chosen_regions(prepared, plan, request)
    bare = prepared_teacher(prepared, Pass("reset_scales", lambda module: reset_scales(module, regions), None))
    plain = run_passes(counterpart_of(bare, regions), (Pass("fold_scales", fold_scales, None),))
    pairs = pairs_to_merge(plain, request)
    student = _student(bare, regions, request)
    student = replace(student, module=pairs.faded(student.module))
    annotate(student.module, student.example)
    listener, fades = _listener(student, pairs, request)
    objective = path_objective(student.module, prepared, plan, request, ends_of_bodies(bare, regions), listener)
    folds, counterpart = (fold_dirac, fold_scales, *pairs.folds), pairs.counterpart(plain)
    listener(1.0)
    rehearse(student, folds, counterpart, request)
    listener(0.0)
    history = train(objective, request)
    listener(1.0)
    refresh_statistics(student.module, request, max(0.0, share_done(history, request.config) - fades))
    folded = finished_student(student, folds, counterpart)
    went = {region.add: f"cut; trained from {HOW[options.initialise]}" for region in regions}
    return removal_of(folded, plan, went, gates=folded.gates, history=tuple(history), merging=pairs.merging)


def _listener(student: Traced, pairs: PairMerging, request: Request) -> tuple[Listener, float]:
    """What lets the activations between pairs fade as the training goes on, and over which fraction of it."""
    if not pairs.folds:
        return nothing_fades, 0.0
    schedule = FadeSchedule({"pairs": request.config.fade or FADE}, request.config.student)

    def listen(progress: float) -> dict[str, float]:
        faded = schedule.faded(progress)
        fade_pairs(student.module, faded["pairs"])
        return {"faded": faded["pairs"]}

    return listen, schedule.end


def _student(bare: Traced, regions: tuple[Region, ...], request: Request) -> Traced:
    """``bare``: layer-scale inside the former blocks is reset, or nothing would come through them."""
    how = request.config.student.initialise
    bodies = [name for region in regions for name in region.body]
    state = random.getstate()
    with torch.random.fork_rng():
        torch.manual_seed(request.config.seed)
        stages = (
            Pass("remove_shortcuts", lambda module: remove_shortcuts(module, regions), None),
            Pass("initialise_student", lambda module: initialise_student(module, how, bodies), None),
        )
        student = run_passes(bare, stages)
    random.setstate(state)
    return student


def ends_of_bodies(bare: Traced, regions: tuple[Region, ...]) -> dict[str, str]:
    """The student's node in the place of each deleted add: its body's output."""
    ends = {region.add: body_output(bare.node(region.add), region).name for region in regions}
    for add, end in ends.items():
        while end in ends:  # a body that ends in an add which was deleted too
            end = ends[end]
        ends[add] = end
    return ends

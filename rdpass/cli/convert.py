"""``rdpass convert``: a model into a folder with its student."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdpass.cli.image_options import (
    DATA_HELP,
    ImageOptions,
    beside_data,
    load_parts,
    shape_of_input,
    with_image_options,
)
from rdpass.cli.inspect import INPUT_HELP, LEAF_HELP, MODEL_HELP, TOLERANCE_HELP, TRUST_HELP, WEIGHTS_HELP
from rdpass.cli.named_model import images_of_run, is_run, load_named_model

if TYPE_CHECKING:
    from torch import nn

    from rdpass.runs.result import Conversion
    from rdpass.runs.settings import ConvertConfig

RECIPE_HELP = (
    "auto, merge, carry, migrate, anneal, joint, kd, plain or keep; prune, which takes channels instead of shortcuts"
    " (--set train.prune.share=0.3); or one of an installed package (rdpass recipes lists them)."
)
LOSS_HELP = (
    "pkg.mod:fn, a function of (outputs, batch), or a registered loss; default: cross-entropy with class indices."
)
DISTANCE_HELP = (
    "pkg.mod:fn, a function of (student_out, teacher_out), or a registered distance; default: divergence of logits, or,"
    " with a loss, the relative distance."
)
TEACHER_HELP = (
    "A MODEL to learn from in the place of the one that is converted: the network that run/ was pruned from, say."
)
QUANTIZE_HELP = (
    "int8: train with fake quantisation at the end, and write student-int8.onnx too; for any network, with shortcuts or"
    " without. --set train.quantize.epochs=3."
)
LOG_HELP = (
    "tensorboard (files in run/), wandb or mlflow (numbers and settings go wherever these are set up to send them);"
    " several times for several."
)
TARGET_HELP = "A board: say at the end what model and student cost on one core of it, estimated."
# How `rdpass convert --help` groups the options.
SELECTION, TRAINING, OUTPUT = "Which shortcuts", "Training", "Output"


def _of(panel: str, *names: str, help: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel)


@with_image_options
def convert_command(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the result.")],
    *,
    data: Annotated[str | None, typer.Option(help=DATA_HELP)] = None,
    weights: Annotated[str | None, typer.Option(help=WEIGHTS_HELP)] = None,
    input_shape: Annotated[str | None, typer.Option("--input", help=INPUT_HELP)] = None,
    trust_pickle: Annotated[bool, typer.Option("--trust-pickle", help=TRUST_HELP)] = False,
    recipe: Annotated[str | None, typer.Option(help=RECIPE_HELP)] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
    sets: Annotated[list[str] | None, typer.Option("--set", help="One setting: train.lr=0.05.")] = None,
    only: Annotated[list[str] | None, _of(SELECTION, help="Select by a glob on node name or module path.")] = None,
    skip: Annotated[list[str] | None, _of(SELECTION, help="Leave out by a glob, likewise.")] = None,
    leaf: Annotated[list[str] | None, _of(SELECTION, help=LEAF_HELP)] = None,
    max_macs: Annotated[
        float | None, _of(SELECTION, help="Budget of exact recipes, relative to the model's MACs.")
    ] = None,
    loss: Annotated[str | None, _of(TRAINING, help=LOSS_HELP)] = None,
    distance: Annotated[str | None, _of(TRAINING, help=DISTANCE_HELP)] = None,
    teacher: Annotated[str | None, _of(TRAINING, help=TEACHER_HELP)] = None,
    teacher_weights: Annotated[str | None, _of(TRAINING, help="Its trained weights, as --weights takes them.")] = None,
    quantize: Annotated[str | None, _of(TRAINING, help=QUANTIZE_HELP)] = None,
    tolerance: Annotated[float | None, _of(OUTPUT, help=TOLERANCE_HELP)] = None,
    epochs: Annotated[int | None, _of(TRAINING, help="Passes over the data.")] = None,
    lr: Annotated[float | None, _of(TRAINING, help="Peak learning rate.")] = None,
    seed: Annotated[int | None, _of(TRAINING, help="Seed of shuffling and of the example.")] = None,
    device: Annotated[str | None, _of(TRAINING, help="Where to train: cpu, cuda, …")] = None,
    amp: Annotated[str | None, _of(TRAINING, help="Mixed precision: bf16 or fp16.")] = None,
    accumulate: Annotated[int | None, _of(TRAINING, help="Batches per step.")] = None,
    clip: Annotated[float | None, _of(TRAINING, help="Largest norm of the gradient.")] = None,
    on_nan: Annotated[str | None, _of(TRAINING, help="On numbers that are not finite: stop or rollback.")] = None,
    log: Annotated[list[str] | None, _of(TRAINING, help=LOG_HELP)] = None,
    tensorboard: Annotated[bool | None, _of(TRAINING, "--tensorboard", help="The same as --log tensorboard.")] = None,
    target: Annotated[str | None, _of(OUTPUT, help=TARGET_HELP)] = None,
    resume: Annotated[str | None, _of(OUTPUT, help="auto: continue an interrupted run.")] = None,
    dry_run: Annotated[bool, _of(OUTPUT, "--dry-run", help="Say what would be done, and write nothing.")] = False,
    force: Annotated[bool, _of(OUTPUT, "--force", help="Replace an existing output.")] = False,
    as_json: Annotated[bool, _of(OUTPUT, "--json", help="Print JSON instead of a table.")] = False,
    image_options: ImageOptions,
) -> None:
    """Remove the shortcuts of MODEL: exactly without --data, by distillation with it. Or prune its channels.

    Example: rdpass convert my.model:net --data photos/ --image-size 96 --epochs 30 -o run/
    """
    from rdpass.conversion import convert
    from rdpass.core.comparison import users_tolerance
    from rdpass.core.places import check_kept
    from rdpass.runs.folder import check_run
    from rdpass.runs.grouping import Output
    from rdpass.runs.known_data import remember_data
    from rdpass.runs.settings import read_convert_config
    from rdpass.sources.models import choose_example, files_of, files_of_weights
    from rdpass.targets.lookup import find_target
    from rdpass.training.request import Budget, Data, Select
    from rdpass.training.world import current_world

    if target is not None:
        find_target(target)
    named = [*files_of(model), *files_of_weights(weights), *(files_of(teacher) if teacher else ())]
    check_kept(out, [*named, *files_of_weights(teacher_weights), *([config] if config else [])])
    check_run(out, resume, force)
    settings = read_convert_config(config, sets or (), {
        "recipe": recipe, "quantize": quantize, "tolerance": tolerance, "max_macs": max_macs,
        "only": only or None, "skip": skip or None, "leaf": leaf or None,
        "loss": loss, "distance": distance, "train.epochs": epochs, "train.lr": lr, "train.seed": seed,
        "train.device": device, "train.amp": amp, "train.accumulate": accumulate, "train.clip": clip,
        "train.on_nan": on_nan, "train.log": log or None, "train.tensorboard": tensorboard,
    })  # fmt: skip
    with users_tolerance(settings.tolerance):
        loaded, stored = load_named_model(model, weights, trust_pickle, input_shape)
        other = None if teacher is None else load_named_model(teacher, teacher_weights, trust_pickle, input_shape)[0]
    parts = load_parts(data, image_options, images_of_run(model), shape_of_input(input_shape, stored)) if data else None
    settings = settings.model_copy(update={"loss": beside_data(data, "loss", settings.loss)})
    example = choose_example(loaded, input_shape, parts, settings.train.seed, stored)
    if parts is not None and is_run(model):
        settings = _clipped(settings, loaded, model)
    if dry_run:
        from rdpass.cli.dry_run import print_dry_run

        print_dry_run(loaded, example, settings, parts, as_json, another_teacher=other is not None)
        return
    train, validate = parts or (None, None)
    conversion = convert(
        loaded,
        example,
        recipe=settings.recipe,
        select=Select(settings.only, settings.skip, settings.leaf),
        data=Data(train, validate, settings.loss, settings.distance, other),
        budget=Budget(settings.max_macs),
        output=Output(out, resume, force, target=target),
        config=settings.train,
        quantize=settings.quantize,
        tolerance=settings.tolerance,
    )
    if not current_world().is_first:
        return
    if data is not None:
        remember_data(out, data)
    if as_json:
        print(json.dumps(_summary(conversion, out), indent=1))
    else:
        _print_conversion(conversion, out)


def _clipped(settings: ConvertConfig, model: nn.Module, spec: str) -> ConvertConfig:
    """The settings for a student whose batch norms are folded: without any, training needs its gradients clipped."""
    from torch.nn.modules.batchnorm import _BatchNorm

    if "clip" in settings.train.model_fields_set or any(isinstance(each, _BatchNorm) for each in model.modules()):
        return settings
    print(f"rdpass: batch norms of {spec} are folded: gradients are clipped to a norm of 1 (--clip)", file=sys.stderr)
    return settings.model_copy(update={"train": settings.train.model_copy(update={"clip": 1.0})})


def _summary(conversion: Conversion, out: Path) -> dict[str, object]:
    from rdpass.cli.plan_json import choices_json

    return {
        "out": str(out),
        "recipe": conversion.recipe,
        "outcomes": [asdict(outcome) for outcome in conversion.outcomes],
        "shortcuts_before": len(conversion.plan.regions),
        "shortcuts_after": len(conversion.plan.regions) - len(conversion.removed),
        "cost_before": asdict(conversion.plan.forecast.model),
        "cost": asdict(conversion.cost),
        "gates": [asdict(gate) for gate in conversion.gates],
        "history": list(conversion.history),
        "compared": [asdict(each) for each in conversion.compared],
        "int8": None if conversion.int8 is None else asdict(conversion.int8.report),
        "pruning": None if conversion.pruning is None else asdict(conversion.pruning),
        "merging": None if conversion.merging is None else asdict(conversion.merging),
        "estimated": None if conversion.estimated is None else choices_json(conversion.estimated),
    }


def _print_conversion(conversion: Conversion, out: Path) -> None:
    from rich.markup import escape

    from rdpass.cli.forecast_tables import print_choices
    from rdpass.cli.tables import print_gates, print_merging, print_pruning, print_table
    from rdpass.report.pruning import pruning_words
    from rdpass.runs.folder import INT8

    if conversion.pruning is None:
        kinds = {region.add: region.kind for region in conversion.plan.regions}
        print_table(("shortcut", "kind", "went", "how"), [
            (each.add, kinds[each.add], _went(each.how), escape(each.reason)) for each in conversion.outcomes
        ])  # fmt: skip
    else:
        print_pruning(conversion.pruning)
    if conversion.merging is not None:
        print_merging(conversion.merging)
    print_gates(conversion.gates)
    if conversion.compared:
        print_table((f"{conversion.compared[0].images} images held out", ">teacher", ">student", ">difference"), [
            (each.name, str(each.teacher), str(each.student), str(each.difference)) for each in conversion.compared
        ])  # fmt: skip
    if conversion.estimated is not None:
        print_choices(conversion.estimated)
    if conversion.int8 is not None and (training := conversion.int8.report.training) is not None:
        print_table(("", ">float", ">int8, rounded alone", ">int8, trained"), [training.words])
        print(f"{training.verdict}: {out / INT8}")
    if conversion.pruning is not None:
        print(f"{pruning_words(conversion.plan.forecast.model, conversion.cost)}; saved to {out}")
        return
    left = len(conversion.plan.regions) - len(conversion.removed)
    print(f"{len(conversion.removed)} of {len(conversion.plan.regions)} shortcuts removed, {left} left; saved to {out}")


def _went(how: str) -> str:
    return f"[{'yellow' if how == 'kept' else 'green'}]{how}[/]"

"""``rdpass fit``: the network that keeps to a budget and loses least."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from rdpass.cli.convert import DISTANCE_HELP, LOSS_HELP
from rdpass.cli.evaluate import METRIC_HELP
from rdpass.cli.image_options import (
    DATA_HELP,
    ImageOptions,
    beside_data,
    load_parts,
    shape_of_input,
    with_image_options,
)
from rdpass.cli.inspect import INPUT_HELP, LEAF_HELP, MODEL_HELP, TOLERANCE_HELP, TRUST_HELP, WEIGHTS_HELP
from rdpass.cli.named_model import images_of_run, load_named_model
from rdpass.core.errors import BudgetError
from rdpass.core.numeric_types import Precision

if TYPE_CHECKING:
    from rdpass.fitting.record import Fit, Point

# How `rdpass fit --help` groups the options.
BUDGET, NETWORKS, TRAINING, OUTPUT = "Budget", "Networks", "Training", "Output"


def _of(panel: str, *names: str, help: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel)


@with_image_options
def fit_command(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    target: Annotated[str, typer.Option(help="The board; see rdpass targets.")],
    *,
    data: Annotated[str | None, typer.Option(help=f"{DATA_HELP} Needed but for a dry run.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the result; needed but for a dry run.")
    ] = None,
    weights: Annotated[str | None, typer.Option(help=WEIGHTS_HELP)] = None,
    input_shape: Annotated[str | None, typer.Option("--input", help=INPUT_HELP)] = None,
    trust_pickle: Annotated[bool, typer.Option("--trust-pickle", help=TRUST_HELP)] = False,
    latency: Annotated[str | None, _of(BUDGET, help="Most time of one inference on one core: 30ms.")] = None,
    peak: Annotated[str | None, _of(BUDGET, help="Most memory of activations and scratch: 1MB.")] = None,
    size: Annotated[str | None, _of(BUDGET, help="Most bytes of weights as the kernels want them: 5MB.")] = None,
    drop: Annotated[
        float | None, _of(BUDGET, help="By how much the figure may be lower than the model's: 0.5 points of top-1.")
    ] = None,
    budget_time: Annotated[
        str | None, _of(BUDGET, help="Time after which no further step of the search begins: 2h.")
    ] = None,
    precision: Annotated[
        list[str] | None,
        _of(NETWORKS, help=f"{', '.join(get_args(Precision))}; may be repeated. Default: all that the core has."),
    ] = None,
    only: Annotated[
        list[str] | None, _of(NETWORKS, help="Shortcuts that may leave, by a glob on node or module.")
    ] = None,
    skip: Annotated[list[str] | None, _of(NETWORKS, help="Shortcuts to leave alone, likewise.")] = None,
    leaf: Annotated[list[str] | None, _of(NETWORKS, help=LEAF_HELP)] = None,
    max_macs: Annotated[
        float | None, _of(NETWORKS, help="Budget of the exact network, relative to the model's MACs.")
    ] = None,
    points: Annotated[int, _of(NETWORKS, help="Networks to train in full, at most.")] = 3,
    recipe: Annotated[str | None, _of(TRAINING, help="What trains networks without shortcuts.")] = None,
    config: Annotated[Path | None, _of(TRAINING, help="TOML file with settings, as convert takes it.")] = None,
    sets: Annotated[list[str] | None, _of(TRAINING, "--set", help="One setting: train.lr=0.05.")] = None,
    epochs: Annotated[int | None, _of(TRAINING, help="Passes over the data of a training in full.")] = None,
    lr: Annotated[float | None, _of(TRAINING, help="Peak learning rate.")] = None,
    seed: Annotated[int | None, _of(TRAINING, help="Seed of shuffling and of the example.")] = None,
    device: Annotated[str | None, _of(TRAINING, help="Where to train: cpu, cuda, …")] = None,
    loss: Annotated[str | None, _of(TRAINING, help=LOSS_HELP)] = None,
    distance: Annotated[str | None, _of(TRAINING, help=DISTANCE_HELP)] = None,
    metric: Annotated[str | None, _of(TRAINING, help=METRIC_HELP + " More is better.")] = None,
    images: Annotated[int | None, _of(TRAINING, help="Images held out to measure on, at most; default: all.")] = None,
    tolerance: Annotated[float | None, _of(OUTPUT, help=TOLERANCE_HELP)] = None,
    resume: Annotated[
        str | None, _of(OUTPUT, help="auto: go on with the search that lies there; its limits may be others.")
    ] = None,
    dry_run: Annotated[bool, _of(OUTPUT, "--dry-run", help="Take the costs alone, and write nothing.")] = False,
    force: Annotated[bool, _of(OUTPUT, "--force", help="Replace an existing output.")] = False,
    as_json: Annotated[bool, _of(OUTPUT, "--json", help="Print JSON instead of tables.")] = False,
    image_options: ImageOptions,
) -> None:
    """Find the network that keeps to a budget and loses least: shortcuts kept or gone, in every precision.

    Example: rdpass fit my.model:net --data my.data:loaders --target rpi5 --latency 30ms --peak 1MB -o fit/

    Exit code 4 where nothing keeps to the budget.
    """
    from rdpass.core.comparison import users_tolerance
    from rdpass.core.places import check_kept
    from rdpass.fitting.choice import verdict_of
    from rdpass.fitting.limits import limits_of
    from rdpass.fitting.record import plain_record
    from rdpass.fitting.search import fit
    from rdpass.runs.known_data import remember_data
    from rdpass.runs.settings import read_convert_config
    from rdpass.sources.models import choose_example, files_of, files_of_weights

    limits_of(latency, peak, size, drop)  # refused before the model is loaded
    if out is not None:
        check_kept(out, [*files_of(model), *files_of_weights(weights), *([config] if config else [])])
    settings = read_convert_config(config, sets or (), {
        "recipe": recipe, "tolerance": tolerance, "max_macs": max_macs, "only": only or None, "skip": skip or None,
        "leaf": leaf or None, "loss": loss, "distance": distance, "train.epochs": epochs, "train.lr": lr,
        "train.seed": seed, "train.device": device,
    })  # fmt: skip
    with users_tolerance(settings.tolerance):
        loaded, stored = load_named_model(model, weights, trust_pickle, input_shape)
    parts = load_parts(data, image_options, images_of_run(model), shape_of_input(input_shape, stored)) if data else None
    train, validate = parts or (None, None)
    loss, metric = beside_data(data, "loss", settings.loss), beside_data(data, "metric", metric)
    found = fit(
        loaded, choose_example(loaded, input_shape, parts, settings.train.seed, stored),
        target=target, latency=latency, peak=peak, size=size, drop=drop, train=train, validate=validate, metric=metric,
        loss=loss, distance=settings.distance, recipe=settings.recipe, config=settings.train,
        only=settings.only, skip=settings.skip, leaf=settings.leaf, max_macs=settings.max_macs,
        precisions=cast("list[Precision]", precision or []), points=points, images=images, budget_time=budget_time,
        tolerance=settings.tolerance, out=out, resume=resume, force=force, dry_run=dry_run,
    )  # fmt: skip
    if out is not None and data is not None:
        for folder in {out / measured.folder for measured in found.measured}:
            remember_data(folder, data)
    if as_json:
        print(json.dumps(plain_record(found), indent=1))
    else:
        _print(found, out)
    if not (found.within if dry_run else found.best):
        raise BudgetError(found.verdict or verdict_of(found))


def _print(found: Fit, out: Path | None) -> None:
    """The costs, the points, what was left out and why; the verdict stands on the last line."""
    from rdpass.cli.tables import print_table, say
    from rdpass.fitting.page import PAGE, cells_of, figures_of, missed_by
    from rdpass.profiling.account.choices import choice_key

    columns = (
        f"one core of {found.target}, estimated",
        ">shortcuts gone",
        ">ms",
        ">peak",
        ">weights",
        "misses",
    )
    print_table(columns, [
        (choice_key(cost.network, cost.precision), str(len(found.network(cost.network).removed)), *figures_of(cost),
         missed_by(found, cost))
        for cost in found.costs
    ])  # fmt: skip
    if found.points:
        print_table(
            (
                "point",
                "how",
                f">{found.figure}",
                ">beside the model",
                ">ms",
                ">peak",
                ">weights",
                "misses",
                "run folder",
            ),
            map(cells_of, found.points),
        )
    for skipped in (*found.skipped, *found.left_out):
        say(f"{skipped.add}: {skipped.reason}")
    if out is not None and found.verdict:
        print(f"{out / PAGE} shows the points beside each other")
    if found.best is not None:
        _print_next(found, found.best, out)
    elif not found.verdict and found.within:
        print(f"{len(found.within)} of {len(found.costs)} keep to the limits of cost")


def _print_next(found: Fit, best: Point, out: Path | None) -> None:
    """The verdict, and the command that builds the best point."""
    from rdpass.cli.tables import say

    say(found.verdict, is_good=True)
    place, precision = f"{out}/{best.measured.folder}", best.cost.precision
    print(f"rdpass compile {place} --target {found.target} --precision {precision} -o student.rdp")

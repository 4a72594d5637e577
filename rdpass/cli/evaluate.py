"""``rdpass evaluate``: accuracy of networks of any form on the same images."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdpass.cli.image_options import (
    DATA_HELP,
    ImageOptions,
    beside_data,
    images_of,
    shape_of_files,
    shape_of_input,
    with_measured_images,
)
from rdpass.cli.inspect import MODEL_HELP, WEIGHTS_HELP
from rdpass.cli.named_model import images_of_run, load_named_model
from rdpass.core.errors import ConfigError

if TYPE_CHECKING:
    from rdpass.evaluation import Evaluated, Evaluation

SOURCE_HELP = f"Networks: run folders, .onnx files, bundles, or a MODEL: {MODEL_HELP} The first is compared with."
METRIC_HELP = (
    "pkg.mod:name: a function of (outputs, targets) that gives a number a row, or an object with update and compute, as"
    " torchmetrics' have; default: classes that are right."
)


@with_measured_images
def evaluate_command(
    sources: Annotated[list[str], typer.Argument(help=SOURCE_HELP, metavar="MODEL|run/|FILE.onnx|BUNDLE...")],
    *,
    data: Annotated[str, typer.Option(help=f"{DATA_HELP} Of two parts the second counts. Or an .npy file of images.")],
    weights: Annotated[str | None, typer.Option(help=WEIGHTS_HELP + " For the MODEL.")] = None,
    metric: Annotated[str | None, typer.Option(help=METRIC_HELP)] = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Images, the first ones; default: all, 100 where a bundle is emulated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    image_options: ImageOptions,
) -> None:
    """Measure networks on the same images, with standard errors, and what each differs by from the first.

    Example: rdpass evaluate my.model:net run/ student-int8.onnx --data photos/
    """
    from rdpass.evaluation import evaluate

    models = [source for source in sources if not (Path(source).is_dir() or source.lower().endswith(".onnx"))]
    if weights is not None and len(models) != 1:
        raise ConfigError(f"--weights is for one MODEL, and there are {len(models)}")
    if twice := sorted({source for source in sources if sources.count(source) > 1}):
        raise ConfigError(f"{twice[0]} is named twice")
    loaded = {source: load_named_model(source, weights) for source in models}
    example = next((example for _, example in loaded.values() if example is not None), None)
    shape = shape_of_input(None, example) if example is not None else shape_of_files(sources)
    train, validate = images_of(data, image_options, images_of_run(*sources), shape)
    metric = beside_data(data, "metric", metric)
    named: dict[str, Any] = {source: loaded[source][0] if source in loaded else source for source in sources}
    held_out = train.measuring() if validate is None and hasattr(train, "measuring") else validate
    result = evaluate(named, train if held_out is None else held_out, metric=metric, images=images)
    if as_json:
        print(
            json.dumps({"data": data, "part": "all" if validate is None else "validation", **asdict(result)}, indent=1)
        )
    else:
        _print(result, data, validate is not None)


def _print(result: Evaluation, data: str, has_parts: bool) -> None:
    from rdpass.cli.tables import print_table

    names = list(dict.fromkeys(name for network in result.networks for name in network.figures))
    several = len(result.networks) > 1
    columns = ["network", "computed by"]
    for name in names:
        columns += [f">{name}", ">less first's"] if several else [f">{name}"]
    columns += [">same class", ">SQNR"] if several else []
    print_table(columns, [_cells(network, names, several) for network in result.networks])
    part = ", its validation part" if has_parts else ""
    print(f"{result.images} images of {data}{part}; ± is the standard error, of differences that of pairs")


def _cells(network: Evaluated, names: list[str], several: bool) -> list[str]:
    from rich.markup import escape

    cells = [escape(network.name), network.by]
    for name in names:
        cells += [str(network.figures.get(name, ""))]
        cells += [str(network.differences.get(name, ""))] if several else []
    if several:
        cells += ["" if network.agreement is None else f"{network.agreement.value:.2f} %"]
        cells += ["" if network.sqnr is None else f"{network.sqnr:.1f} dB"]
    return cells

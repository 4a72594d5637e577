"""``rdpass inspect``: every add of a model, and what removing the shortcuts would gain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

MODEL_HELP = (
    "pkg.mod:callable, torchvision:NAME, timm:NAME, or the latter as 'timm:NAME(num_classes=10)', a torch.export file"
    " (.pt2), an .onnx file, one of TorchScript, or the folder of a run of convert."
)
WEIGHTS_HELP = (
    "The model's trained weights: a checkpoint, as torch.save or .safetensors has it; FILE:key to say which in it."
)
LEAF_HELP = "Keep the submodules of such paths whole where tracing can't follow them."
TRUST_HELP = (
    "Read a .pt2 or TorchScript file that does more than hold data and compute tensors: if you trust its maker."
)
TOLERANCE_HELP = (
    "Largest relative error of every gate, in the place of its own (1e-5 to 1e-4), for a network whose numbers single"
    " precision does not hold. The record says that it is yours."
)
TARGET_HELP = "Estimate time and memory on this target, rpi4 by default; see rdpass targets."
QUICK_HELP = "Leave out the estimate from the kernels that would be compiled, which takes seconds."
INPUT_HELP = "Input shape, as 1x3x224x224 or 1x8:int64; several with commas between. Guessed if left out, and said so."


def inspect_command(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    input_shape: Annotated[str | None, typer.Option("--input", help=INPUT_HELP)] = None,
    only: Annotated[list[str] | None, typer.Option(help="Select by a glob on node name or module path.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Leave out by a glob, likewise.")] = None,
    leaf: Annotated[list[str] | None, typer.Option(help=LEAF_HELP)] = None,
    target: Annotated[str | None, typer.Option(help=TARGET_HELP)] = None,
    svg: Annotated[Path | None, typer.Option(help="Draw kernels and live bytes into this file.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing SVG file.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help=QUICK_HELP)] = False,
    trust_pickle: Annotated[bool, typer.Option("--trust-pickle", help=TRUST_HELP)] = False,
    tolerance: Annotated[float | None, typer.Option(help=TOLERANCE_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show every add of MODEL and forecast, before anyone trains, what removing its shortcuts would gain. Reads only.

    It ends with the cost of every choice in milliseconds and megabytes on a board, and whether removal pays. Exit code
    0 whatever it finds: a network without shortcuts is not an error.

    Example: rdpass inspect timm:resnet18 --input 1x3x224x224 --target rpi5
    """
    from rdpass.cli.forecast_tables import print_plan
    from rdpass.cli.named_model import is_run, load_student
    from rdpass.cli.plan_json import plan_as_json
    from rdpass.core.comparison import users_tolerance
    from rdpass.core.places import check_kept
    from rdpass.inspection import inspect
    from rdpass.sources.models import choose_example, files_of, load_model

    if svg is not None:
        check_kept(svg, files_of(model))
    with users_tolerance(tolerance):
        loaded, stored = (
            load_student(model) if is_run(model) else load_model(model, None, input_shape, trusted=trust_pickle)
        )
        example = choose_example(loaded, input_shape, None, stored=stored)
        plan = inspect(
            loaded, example, only=only or (), skip=skip or (), leaf=leaf or (), target=target, svg=svg, force=force,
            worth=not quick,
        )  # fmt: skip
    if as_json:
        print(json.dumps(plan_as_json(plan), indent=1))
    else:
        print_plan(plan)

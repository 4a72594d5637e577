"""``rdpass inspect``: every add of a model, and what removing the shortcuts would gain."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rdpass.types import Cost, Plan

MODEL_HELP = "pkg.mod:callable, torchvision:NAME, timm:NAME or a torch.export file (.pt2)."
LEAF_HELP = "Keep the submodules of such paths whole where tracing can't follow them."
INPUT_HELP = "Input shape, as 1x3x224x224; several inputs with commas between. Guessed if left out."


def inspect_command(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    input_shape: Annotated[str | None, typer.Option("--input", help=INPUT_HELP)] = None,
    only: Annotated[list[str] | None, typer.Option(help="Select by a glob on node name or module path.")] = None,
    skip: Annotated[list[str] | None, typer.Option(help="Leave out by such a glob.")] = None,
    leaf: Annotated[list[str] | None, typer.Option(help=LEAF_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show every add of MODEL: verdict, kind, reason, bytes held live. Reads only.

    Exit code 3 if there is no shortcut to remove.
    """
    from rdpass.errors import NothingToConvert
    from rdpass.inspection import inspect
    from rdpass.models import choose_example, load_model

    loaded, stored = load_model(model)
    plan = inspect(
        loaded, choose_example(input_shape, None) or stored, only=only or (), skip=skip or (), leaf=leaf or ()
    )
    if as_json:
        print(json.dumps(plan_as_json(plan), indent=1))
    else:
        print_plan(plan)
    if not plan.removable:
        raise typer.Exit(NothingToConvert.exit_code)


def plan_as_json(plan: Plan) -> dict[str, object]:
    """``adds`` (their number), ``regions``, ``skipped`` and ``forecast``: the fields of ``rdpass.types.Plan``."""
    return {"adds": len(plan.regions) + len(plan.skipped), **asdict(plan)}


def print_plan(plan: Plan) -> None:
    """The table of adds, then the forecast."""
    from rdpass.cli.tables import print_table, size

    rows = [
        (r.add, r.path, r.verdict, r.kind, "x".join(map(str, r.shape)), size(r.bytes), r.reason) for r in plan.regions
    ] + [(s.add, "", "not residual", "", "", "", s.reason) for s in plan.skipped]
    print_table(("add", "module", "verdict", "kind", "shape", ">held live", "reason"), rows)
    forecast = plan.forecast
    print_table(
        ("forecast", ">as it is", ">strictly plain"),
        [
            ("residual adds", str(len(plan.regions)), str(len(plan.regions) - len(plan.removable))),
            *_cost_rows(forecast.model, forecast.plain),
        ],
    )


def _cost_rows(model: Cost, plain: Cost) -> list[tuple[str, str, str]]:
    from rdpass.cli.tables import size

    return [
        ("MACs", f"{model.macs / 1e6:.1f} M", f"{plain.macs / 1e6:.1f} M"),
        ("parameters", f"{model.parameters / 1e3:.1f} k", f"{plain.parameters / 1e3:.1f} k"),
        ("feature maps, sum", size(model.feature_bytes), size(plain.feature_bytes)),
        ("peak activation (graph order)", size(model.peak_activation_bytes), size(plain.peak_activation_bytes)),
    ]

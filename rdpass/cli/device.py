"""``rdpass device``: examine a board over ssh."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

device_app = typer.Typer(help="Examine a board over ssh.", no_args_is_help=True)


@device_app.callback()
def _root() -> None:
    """Keeps ``doctor`` a word of its own while it is the only one."""


@device_app.command("doctor")
def device_doctor_command(
    address: Annotated[str, typer.Argument(help="The board's address, as for ssh.", metavar="USER@BOARD")],
    target: Annotated[
        str | None,
        typer.Option(help="Check for bundles of this target: a name that `rdpass targets` lists, or a file."),
    ] = None,
    rpc: Annotated[
        str | None, typer.Option(help="Also ask a TVM tracker that lends boards.", metavar="HOST:PORT")
    ] = None,
    key: Annotated[str | None, typer.Option(help="The board's key at the tracker; default: the target's name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether a board can run bundles and measure them fairly. Changes nothing there.

    Exit code 7 if it can't be reached or can't run them.

    Example: rdpass device doctor pi@raspberrypi.local --target rpi4
    """
    from rdpass.cli.tables import print_table
    from rdpass.core.errors import DeviceError
    from rdpass.deploy.device.findings import examine, examine_tracker
    from rdpass.targets.lookup import find_target

    chosen = find_target(target) if target else None
    findings = list(examine(address, chosen))
    if rpc is not None:
        findings.append(examine_tracker(rpc, key or (chosen.name if chosen else "")))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        print_table(
            ("", "", "found", "remedy"), [(f.status, f.need, escape(f.detail), escape(f.remedy)) for f in findings]
        )
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(DeviceError.exit_code)

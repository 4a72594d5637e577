"""``rdpass verify``: is a bundle what was built, and does it still compute what it should."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

KEY_HELP = "A public key (PEM, Ed25519): refuse a bundle that is not signed by its private one."


def verify_command(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.", metavar="DIR")],
    tolerance: Annotated[
        float | None, typer.Option(help="Largest relative error allowed; default: the bundle's own.", min=0.0)
    ] = None,
    verify_key: Annotated[Path | None, typer.Option(help=KEY_HELP)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every byte of DIR, run it (emulated, if it is for another CPU) and compare with its golden output.

    Exit code 8 if a byte differs, before anything of it has run; 4 if the output does.

    Example: rdpass verify student.rdp
    """
    from rdpass.deploy.bundle.verification import verify

    gate = verify(bundle, tolerance=tolerance, key=verify_key)
    if as_json:
        print(json.dumps({"bundle": str(bundle), "ok": True, **asdict(gate)}, indent=1))
    else:
        from rdpass.cli.tables import say

        intact = f"{bundle}: intact; output within {gate.error:.2e} of the golden one"
        say(f"{intact} (tolerance {gate.tolerance:.0e})", is_good=True)

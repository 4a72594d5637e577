"""``rdpass doctor``: what building and checking needs on this machine, and what of it is missing."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer


def doctor_command(
    fetch_runtime: Annotated[
        str | None,
        typer.Option(metavar="TARGET", help="First download TVM's runtime libraries for TARGET, with pip."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what this machine has and what is missing, with the command to install it. Downloads only if asked.

    Example: rdpass doctor --fetch-runtime rpi4
    """
    from rich.markup import escape

    from rdpass.cli.tables import print_table
    from rdpass.deploy.bundle.runtime_libraries import fetch_libraries
    from rdpass.diagnosis import diagnose
    from rdpass.targets.lookup import find_target

    if fetch_runtime is not None:
        libraries = fetch_libraries(find_target(fetch_runtime))
        print(f"{', '.join(path.name for path in libraries)} for {fetch_runtime}: ready", file=sys.stderr)
    findings = diagnose()
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
        return
    rows = [(finding.need, _word(finding.present), escape(finding.detail)) for finding in findings]
    print_table(("needed", "", "which, or how to get it"), rows)


def _word(present: bool) -> str:
    return "ok" if present else "missing"

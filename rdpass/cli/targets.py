"""``rdpass targets``: the CPUs that can be built for."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer


def targets_command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the targets that compile takes."""
    from rdpass.cli.tables import print_table
    from rdpass.targets import all_targets

    targets = all_targets()
    if as_json:
        print(json.dumps([asdict(target) for target in targets], indent=1))
        return
    rows = [(t.name, t.architecture, t.cpu, str(t.cores), " ".join(t.features)) for t in targets]
    print_table(("name", "architecture", "cpu", ">cores", "features used"), rows)

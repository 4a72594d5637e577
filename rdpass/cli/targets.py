"""``rdpass targets``: the CPUs that can be built for."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer


def targets_command(
    toml: Annotated[
        str | None, typer.Option(metavar="TARGET", help="Print TARGET as a file, to edit and pass as --target.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the targets known by name. `--target` takes a file of your own too.

    Example: rdpass targets --toml rpi4
    """
    from rdpass.cli.tables import print_table
    from rdpass.targets.lookup import all_targets, find_target
    from rdpass.targets.target_file import target_toml

    if toml is not None:
        print(target_toml(find_target(toml)), end="")
        return
    targets = all_targets()
    if as_json:
        print(json.dumps([asdict(target) for target in targets], indent=1))
        return
    rows = [
        (
            t.name, t.architecture, t.cpu, str(t.cores), f"{t.clock_ghz:g}", str(t.macs_per_cycle),
            " / ".join(_binary(count) for count in (t.l1d_bytes, t.l2_bytes, t.l3_bytes)), f"{t.dram_gbps:g}",
            " ".join(t.features),
        )
        for t in targets
    ]  # fmt: skip
    columns = (
        "name",
        "architecture",
        "cpu",
        ">cores",
        ">GHz",
        ">MACs/cycle",
        "L1d / L2 / L3",
        ">GB/s",
        "features used",
    )
    print_table(columns, rows)
    print(
        "Clock, MACs a cycle, caches and DRAM bandwidth are approximate and serve estimates only; --json has sources."
    )


def _binary(count: int) -> str:
    """A cache's size in KiB or MiB; a dash where there is none, or none known."""
    if not count:
        return "-"
    return f"{count // 1024} K" if count < 1 << 20 else f"{count / (1 << 20):g} M"

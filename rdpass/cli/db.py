"""``rdpass db``: look after the folders that ``rdpass tune`` writes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

if TYPE_CHECKING:
    from rdpass.database.repair import Condition

app = typer.Typer(help="Check, repair, merge and count the records of `rdpass tune`.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The database's folder.", metavar="DIR")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("check")
def check_command(folder: Folder, as_json: AsJson = False) -> None:
    """Read every record of DIR; exit 8 if anything is damaged. Nothing is changed.

    Example: rdpass db check tune/
    """
    from rdpass.database.repair import check

    condition = check(folder)
    _print_condition(condition, {}, as_json)
    if not condition.is_sound:
        raise typer.Exit(8)


@app.command("repair")
def repair_command(folder: Folder, as_json: AsJson = False) -> None:
    """Keep the intact records of DIR, each once, and put what is damaged aside (`*.damaged`).

    Example: rdpass db repair tune/
    """
    from rdpass.database.repair import repair

    condition = repair(folder)
    _print_condition(condition, {"kept": condition.records - condition.duplicates}, as_json)


@app.command("merge")
def merge_command(
    folder: Folder,
    others: Annotated[list[Path], typer.Argument(help="Folders to copy records from.", metavar="OTHER...")],
    as_json: AsJson = False,
) -> None:
    """Add the intact records of other folders to DIR.

    Example: rdpass db merge tune/ elsewhere/
    """
    from rdpass.database.repair import merge

    added = merge(folder, others)
    print(json.dumps({"added": added}) if as_json else f"{added} records added to {folder}")


@app.command("stats")
def stats_command(folder: Folder, as_json: AsJson = False) -> None:
    """Count the records of DIR by target.

    Example: rdpass db stats tune/
    """
    from rdpass.cli.tables import print_table
    from rdpass.database.repair import check
    from rdpass.database.statistics import statistics

    check(folder)
    rows = statistics(folder)
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return
    counts = ("workloads", "records", "measured", "estimated", "failed", "networks", "stale")
    titles = (">workloads", ">records", ">measured", ">estimated", ">can't be used", ">networks", ">of other kernels")
    print_table(
        ("target", "key", *titles),
        [(escape(row.name), escape(row.target), *(str(getattr(row, count)) for count in counts)) for row in rows],
    )


def _print_condition(condition: Condition, more: dict[str, Any], as_json: bool) -> None:
    from rdpass.cli.tables import print_table

    if as_json:
        print(json.dumps({**asdict(condition), **more, "sound": condition.is_sound}, indent=1))
        return
    if condition.findings:
        print_table(
            ("file", ">line", "what is wrong"),
            [(escape(finding.file), str(finding.line or ""), escape(finding.reason)) for finding in condition.findings],
        )
    doubled = f", {condition.duplicates} of them again" if condition.duplicates else ""
    print(f"{condition.records} intact records{doubled}; {len(condition.findings)} things that are none")

"""``rdpass report``: a run folder as a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report_command(
    run: Annotated[Path, typer.Argument(help="The folder that convert wrote.", metavar="DIR")],
    html: Annotated[Path, typer.Option(help="The HTML file to write. It loads nothing from elsewhere.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a page on DIR: how each shortcut went, the gates, the training curves, and the cost before and after.

    Example: rdpass report run/ --html report.html
    """
    from rdpass.report import write_report

    print(write_report(run, html, force=force))

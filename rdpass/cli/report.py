"""``rdpass report``: a run folder as a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report_command(
    run: Annotated[Path, typer.Argument(help="The folder that convert wrote.", metavar="DIR")],
    html: Annotated[Path, typer.Option(help="The HTML file to write; one file, nothing is loaded from elsewhere.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write how each shortcut of DIR went, the gates, the training's curves, and the cost before and after."""
    from rdpass.report import write_report

    print(write_report(run, html, force=force))

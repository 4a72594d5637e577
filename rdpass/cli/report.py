"""``rdpass report``: a run folder as a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rdpass.core.places import STDOUT


def report_command(
    run: Annotated[Path, typer.Argument(help="The folder that convert wrote.", metavar="DIR")],
    html: Annotated[Path, typer.Option(help="The HTML file to write; - for stdout. It loads nothing from elsewhere.")],
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a page on DIR: accuracy, time, peak and size before and after, the network drawn, curves, layers, gates.

    Example: rdpass report run/ --html report.html
    """
    from rdpass.report.page import report_page, write_report

    print(report_page(run) if str(html) == STDOUT else write_report(run, html, force=force))

"""A run folder as one page to look at: what it came to, the network drawn, the training's curves, layers, gates."""

from rdpass.report.page import report_page, write_report

__all__ = ["report_page", "write_report"]

"""A run folder as one page to look at: how each shortcut went, the gates, the training's curves, the cost."""

from rdpass.report.page import write_report

__all__ = ["write_report"]

"""The ``rdpass`` command. One file a subcommand; this one only joins them and turns errors into exit codes."""

from __future__ import annotations

from rdpass.cli.app import main

__all__ = ["main"]

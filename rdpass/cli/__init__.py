"""The ``rdpass`` command: one file a subcommand, joined in ``app``."""

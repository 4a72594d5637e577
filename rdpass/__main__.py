"""``python -m rdpass`` is the ``rdpass`` command."""

from rdpass.cli.app import main

main()

"""Faults of one step, as errors that the engine may recover from."""

from __future__ import annotations

from rdpass.core.errors import DivergedError


class NotFinite(DivergedError):
    """A number that is not finite, with the first batch of the step it was met in.

    ``in_data``: it came with the loader's inputs, so the weights are as good as before.
    """

    def __init__(self, message: str, batch: int, in_data: bool = False) -> None:
        super().__init__(message)
        self.batch, self.in_data = batch, in_data

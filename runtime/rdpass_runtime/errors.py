"""What can go wrong, by kind. Messages name the place and the remedy, in one line."""

from __future__ import annotations


class RuntimeFailure(Exception):
    """Of all errors of this package."""


class IntegrityError(RuntimeFailure):
    """No bundle, one that is not as it was built, or one for another CPU. Nothing of it was loaded."""


class InputError(RuntimeFailure, ValueError):
    """An argument that the network does not take."""


class NetworkError(RuntimeFailure):
    """The network can't be loaded, or failed."""

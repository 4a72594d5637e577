"""What kernels are chosen for: short inferences, small weights, or something of both."""

from __future__ import annotations

from typing import Literal, get_args

from rdpass.core.errors import ConfigError

Optimize = Literal["speed", "balanced", "size"]
"""``speed``: the shortest inference. ``size``: the fewest bytes of weights, then the shortest inference. ``balanced``:
more bytes where they save enough time (``rdpass.kernels.cost_model``)."""
SPEED: Optimize
BALANCED: Optimize
SIZE: Optimize
SPEED, BALANCED, SIZE = get_args(Optimize)


def check_optimize(asked: str) -> None:
    """
    Raises:
        ConfigError: nothing can be optimised for that.
    """
    if asked not in get_args(Optimize):
        raise ConfigError(
            f"there is nothing to optimize for called {asked!r}; it is one of {', '.join(get_args(Optimize))}"
        )

"""Registries: what rdpass finds by name, and a user or an installed package can add to.

    recipes    a rdpass.recipes.recipe.Recipe, or a function remove(traced, plan, request) -> Removal
    losses     loss(outputs, batch) -> Tensor, a scalar: the mean over the batch's rows
    distances  distance(student_out, teacher_out) -> Tensor, likewise
    targets    a rdpass.Target, or a function without arguments that gives one
    kernels    a rdpass.kernels.template.Template, under its own name
    runtimes   load(workload, threads), which gives a function from input to output; for ``rdpass bench --vs``

In a program of one's own an entry is registered by a decorator, ``@rdpass.registry.losses.register("name")``; a value
that is no function, by calling it: ``rdpass.registry.targets.register("name")(target)``. A package names its entries in
its metadata as entry points of the group ``rdpass.recipes``, ``rdpass.losses``, …; they are found wherever the package
is installed, from Python and from the command line. docs/extending/package.md has an example of each.

A registry is loaded when it is first asked for. Each is a ``rdpass.core.registry.Registry``: ``find(name)``,
``names()``, ``entries()``, ``register(name)``.

Example:
    >>> import rdpass
    >>> @rdpass.registry.losses.register("squares")
    ... def squares(outputs, batch):
    ...     return (outputs - batch.targets).square().mean()
    >>> "squares" in rdpass.registry.losses.names(), rdpass.registry.losses.find("squares") is squares
    (True, True)
    >>> rdpass.registry.targets.find("rpi4").cpu
    'cortex-a72'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdpass.kernels.registry import kernels
    from rdpass.profiling.runtimes.catalogue import runtimes
    from rdpass.recipes.catalogue import recipes
    from rdpass.targets.boards import targets
    from rdpass.training.losses import distances, losses

_HOME = {
    "distances": "training.losses",
    "kernels": "kernels.registry",
    "losses": "training.losses",
    "recipes": "recipes.catalogue",
    "runtimes": "profiling.runtimes.catalogue",
    "targets": "targets.boards",
}

__all__ = ["distances", "kernels", "losses", "recipes", "runtimes", "targets"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rdpass.registry' has no attribute {name!r}")
    return getattr(import_module(f"rdpass.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})

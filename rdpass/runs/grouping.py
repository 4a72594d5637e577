"""Arguments of ``convert`` in groups: each as one object, or its fields as keywords of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from torch import nn

from rdpass.core.errors import ConfigError
from rdpass.targets.target import Target
from rdpass.training.objective import Distance, Loss
from rdpass.training.request import Budget, Data, Select


@dataclass(frozen=True)
class Output:
    """Place where a conversion is saved, and what is shown on the way.

    Args:
        folder: a new folder for the result; None saves nothing. A training keeps its state in ``<folder>.partial``
            until it is done.
        resume: ``"auto"`` goes on from that state where there is one; None starts anew, and refuses to if there is one.
        force: replace what lies at ``folder``, and drop the state of an interrupted training.
        show_progress: show on stderr how far a training is.
        target: a board, by a name that ``rdpass targets`` lists or one's own: say at the end what model and student
            cost on one core of it, estimated (``Conversion.estimated``). Takes seconds, for a large network half a
            minute.
        callbacks: who is told how a training goes, step by step and epoch by epoch: objects with ``on_step``,
            ``on_epoch`` or ``on_end`` (``rdpass.training.callbacks``).

    Example:
        >>> import rdpass
        >>> result = rdpass.convert(model, example, output=rdpass.Output(folder="saved"))
        >>> sorted(path.name for path in Path("saved").iterdir())
        ['config.toml', 'conversion.json', 'network.svg', 'student.pt2', 'student.safetensors']
    """

    folder: str | Path | None = None
    resume: str | None = None
    force: bool = False
    show_progress: bool = True
    target: str | Target | None = None
    callbacks: Sequence[object] = ()


class Flat(TypedDict, total=False):
    """The fields of the groups as keywords of ``convert``; ``out`` is ``Output.folder``."""

    only: Sequence[str]
    skip: Sequence[str]
    leaf: Sequence[str]
    train: Iterable[Any] | None
    validate: Iterable[Any] | None
    loss: str | Loss | None
    distance: str | Distance | None
    teacher: nn.Module | None
    max_macs: float
    out: str | Path | None
    resume: str | None
    force: bool
    show_progress: bool
    target: str | Target | None
    callbacks: Sequence[object]


@dataclass(frozen=True)
class Groups:
    """All that ``convert`` is told beside the model, the recipe and the training settings."""

    select: Select
    data: Data
    budget: Budget
    output: Output


Group = TypeVar("Group", Select, Data, Budget, Output)


def grouped(
    select: Select | None, data: Data | None, budget: Budget | None, output: Output | None, flat: Mapping[str, object]
) -> Groups:
    """The groups as they were given, or made of keywords.

    Raises:
        ConfigError: a group is given and a keyword of it too, or something else than such a group.
        TypeError: no group has such a keyword.
    """
    unknown = [keyword for keyword in flat if keyword not in Flat.__annotations__]
    if unknown:
        raise TypeError(f"convert() got an unexpected keyword argument {unknown[0]!r}")
    return Groups(
        _group("select", Select, select, flat),
        _group("data", Data, data, flat),
        _group("budget", Budget, budget, flat),
        _group("output", Output, output, flat),
    )


def _group(name: str, kind: type[Group], given: Group | None, flat: Mapping[str, Any]) -> Group:
    keywords = {field.name: "out" if field.name == "folder" else field.name for field in fields(kind)}
    own = {field: flat[keyword] for field, keyword in keywords.items() if keyword in flat}
    if given is None:
        return kind(**own)
    if not isinstance(given, kind):
        raise ConfigError(
            f"{name}= takes a rdpass.{kind.__name__}({', '.join(keywords)}), not a {type(given).__name__}"
        )
    if own:
        listed = ", ".join(f"{keywords[field]}=" for field in own)
        raise ConfigError(
            f"{name}= and {listed} say the same thing twice: put {', '.join(own)} into rdpass.{kind.__name__}(…)"
        )
    return given

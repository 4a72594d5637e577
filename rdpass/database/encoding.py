"""Workloads and tiles as JSON: an object of their fields and a ``kind``, the class they are of.

The classes are those of the kernels' templates, with all that their fields hold. A field that is itself called so, as a
pooling has, is written as ``kind_``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rdpass.kernels.registry import all_templates
from rdpass.kernels.template import Templates, Tile
from rdpass.kernels.workload import Workload

LARGEST = 1 << 26
"""Of an integer in a workload or tile: no layer has as many pixels."""


def encode(value: Any) -> Any:
    """``value``, of dataclasses, tuples and scalars, as what JSON can say; numbers that are not finite in words."""
    if is_dataclass(value):
        return {
            "kind": type(value).__name__,
            **{_key(field.name): encode(getattr(value, field.name)) for field in fields(value)},
        }
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def decode_workload(value: Any) -> Workload:
    """The workload that ``encode`` gave ``value`` for.

    Raises:
        ValueError: it gave it for none.
    """
    decoded = _decoded(value)
    if not isinstance(decoded, Workload):
        raise ValueError("no workload")
    return decoded


def decode_tile(value: Any) -> Tile:
    """The tile that ``encode`` gave ``value`` for.

    Raises:
        ValueError: it gave it for none.
    """
    decoded = _decoded(value)
    if not isinstance(decoded, Tile):
        raise ValueError("no tile")
    return decoded


def decode_tiles(value: Any) -> tuple[tuple[Workload, Tile], ...]:
    """The pairs of workload and tile that ``encode`` gave ``value`` for.

    Raises:
        ValueError: it gave it for none.
    """
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise ValueError("no list of workloads and their tiles")
    return tuple((decode_workload(work), decode_tile(tile)) for work, tile in value)


def _decoded(value: Any) -> Any:
    decoded = _decode(value)
    try:
        hash(decoded)
    except TypeError as error:
        raise ValueError("a field is of the wrong type") from error
    if encode(decoded) != value:
        raise ValueError("fields are missing")
    return decoded


def _decode(value: Any, hint: Any = None) -> Any:
    """``hint``: the type of the field that it is the value of."""
    if isinstance(value, dict):
        kind = _kinds(all_templates()).get(str(value.get("kind")))
        names = {} if kind is None else {_key(field.name): field.name for field in fields(kind)}
        if kind is None or value.keys() - {"kind", *names}:
            raise ValueError("an unknown kind, or a field it has not")
        hints = get_type_hints(kind)
        given = {names[key]: _decode(item, hints[names[key]]) for key, item in value.items() if key != "kind"}
        wrong = next((name for name, item in given.items() if not _is_of(item, hints[name])), None)
        if wrong is not None:
            raise ValueError(f"{wrong} of {kind.__name__} is of the wrong type, or out of range")
        try:
            return kind(**given)
        except TypeError as error:
            raise ValueError("a field is missing") from error
    if isinstance(value, list):
        return tuple(_decode(item) for item in value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    return float(value) if value in ("inf", "-inf", "nan") else value


def _is_of(value: Any, hint: Any) -> bool:
    """Tell whether a field may hold the value: of its type, numbers within bounds. Of other hints all is taken."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in arguments
    if origin in (Union, UnionType):
        return any(_is_of(value, argument) for argument in arguments)
    if origin is tuple:
        several = arguments[:1] * len(value) if arguments[1:] == (...,) and isinstance(value, tuple) else arguments
        return isinstance(value, tuple) and len(value) == len(several) and all(map(_is_of, value, several))
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST
    if hint is float:
        return isinstance(value, float) or _is_of(value, int)
    return isinstance(value, hint) if isinstance(hint, type) else True


@cache
def _kinds(templates: Templates) -> dict[str, Any]:
    """The classes of workloads and tiles, and of what their fields hold, by name."""
    known = (kind for template in templates for kind in (template.workload, template.tile))
    return {kind.__name__: kind for kind in _with_fields(known)}


def _with_fields(kinds: Iterable[Any]) -> Iterator[Any]:
    """The dataclasses among ``kinds``, each followed by those of its fields."""
    for kind in kinds:
        yield from _with_fields(get_args(kind))
        if isinstance(kind, type) and is_dataclass(kind):
            yield kind
            yield from _with_fields(get_type_hints(kind)[field.name] for field in fields(kind))


def _key(name: str) -> str:
    return "kind_" if name == "kind" else name

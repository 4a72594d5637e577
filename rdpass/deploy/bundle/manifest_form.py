"""The form of a manifest: every field of its type, every name of a file a plain one that is listed.

A manifest that was written by somebody else is intact as long as it carries the SHA-256 of its own text. What it says
is used as names of files and as sizes, so it is checked as any input is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from rdpass.core.call_plan import MapKind
from rdpass.core.numeric_types import Precision
from rdpass.core.optimization import Optimize

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)?", re.ASCII)
"""Of a file: in the bundle's folder or in one in it. None begins with a dot, so none leads out."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DTYPE = re.compile(r"bool|(float|u?int)(8|16|32|64)")
_MOST_AXES, _LARGEST = 32, 1 << 48
_LONGEST = 4096

Check = Callable[[Any], bool]


def check_form(body: Mapping[str, Any]) -> None:
    """Refuse what is no manifest.

    Raises:
        ValueError: a field is missing, or not of its form; the message names it.
    """
    for name, is_right in _FIELDS.items():
        if name not in body or not is_right(body[name]):
            raise ValueError(f"{name!r} is not what a manifest says there")
    files, golden = body["files"], body["golden"]
    used = [body["library"], *golden["inputs"], *golden["outputs"]]
    unlisted = next((name for name in used if name not in files), None)
    if unlisted is not None:
        raise ValueError(f"{unlisted!r} is used and not listed")
    if not _PROCESSING(body.get("processing", {})):
        raise ValueError("'processing' is not what a manifest says there")
    if "plan" in body and not _is_plan(body["plan"]):
        raise ValueError("'plan' is not what a manifest says there")
    if any(len(golden[kind]) != len(body[kind]) for kind in ("inputs", "outputs")):
        raise ValueError("the golden files are not one for each input and output")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _is_number(value: Any) -> bool:
    return _is_count(value) or (isinstance(value, float) and math.isfinite(value))


def _is_error(value: Any) -> bool:
    """Not a number where a gate failed, as nothing else is written."""
    return isinstance(value, float) or _is_number(value)


def _list(of: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(of, value))


def _object(**fields: Check) -> Check:
    return lambda value: (
        isinstance(value, dict) and all(name in value and is_right(value[name]) for name, is_right in fields.items())
    )


def _object_if_there(**fields: Check) -> Check:
    return lambda value: (
        isinstance(value, dict) and all(is_right(value[name]) for name, is_right in fields.items() if name in value)
    )


def _both(first: Check, second: Check) -> Check:
    return lambda value: first(value) and second(value)


def _is_name(value: Any) -> bool:
    return _is_text(value) and _NAME.fullmatch(value) is not None


def _is_shape(value: Any) -> bool:
    return _list(_is_count)(value) and len(value) <= _MOST_AXES and math.prod(value) <= _LARGEST


_SPEC = _object(name=_is_text, dtype=lambda value: _is_text(value) and bool(_DTYPE.fullmatch(value)), shape=_is_shape)
_GATE_TOO = _object_if_there(
    oracle=_is_text, oracle_error=lambda value: value is None or _is_error(value), tolerance_by=_is_text
)
"""Of a gate, that manifests of earlier versions don't have."""
_PROCESSING = _object_if_there(
    layout=lambda value: value is None or _is_text(value), postprocess=lambda value: value is None or _is_text(value),
    mean=_list(_is_number), std=_list(_is_number), scale=_is_number, crop=_is_number,
    bgr=lambda value: isinstance(value, bool), labels=_list(_is_text), input_names=_list(_is_text),
    output_names=_list(_is_text),
)  # fmt: skip
_PLAN = _object(
    calls=_list(_object(function=_is_text, operations=_is_count, bytes=_is_count, weights=_is_count)),
    maps=_list(_object(offset=_is_count, bytes=_is_count, first=_is_count, last=_is_count,
                       kind=lambda value: value in get_args(MapKind))),
    bytes=_is_count,
)  # fmt: skip


def _is_plan(value: Any) -> bool:
    """Tell whether all maps lie within the planned memory and live from one of the calls to another."""
    return _PLAN(value) and all(
        each["offset"] + each["bytes"] <= value["bytes"] and each["first"] <= each["last"] < len(value["calls"])
        for each in value["maps"]
    )


_FIELDS: dict[str, Check] = {
    "source": _is_text,
    "target": _object(name=_is_text, triple=_is_text, cpu=_is_text, features=_list(_is_text)),
    "inputs": _list(_SPEC),
    "outputs": _list(_SPEC),
    "library": lambda value: _is_name(value) and "/" not in value,
    "gates": _list(_both(_object(name=_is_text, error=_is_error, tolerance=_is_error), _GATE_TOO)),
    "golden": _object(source=_is_text, tolerance=_is_number, inputs=_list(_is_name), outputs=_list(_is_name)),
    "planned_activation_bytes": _is_count,
    "planned_workspace_bytes": _is_count,
    "fallbacks": _list(_object(function=_is_text, share=_is_number)),
    "kernels": _list(_object(name=_is_text, calls=_is_count)),
    "precision": lambda value: value in get_args(Precision),
    "optimize": lambda value: value in get_args(Optimize),
    "constants": _object(model=_is_count, packed=_is_count, transformed=_is_count),
    "versions": lambda value: isinstance(value, dict) and all(map(_is_text, (*value, *value.values()))),
    "files": lambda value: (
        isinstance(value, dict)
        and all(map(_is_name, value))
        and all(isinstance(digest, str) and bool(_DIGEST.fullmatch(digest)) for digest in value.values())
    ),
    "notes": _list(_is_text),
    "runtime": lambda value: value in ("vm", "none"),
    "tuning": lambda value: isinstance(value, dict),
    "format": _is_count,
}

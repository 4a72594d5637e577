"""Settings of ``rdpass convert``: from a TOML file, ``--set`` and options, the later over the earlier.

    recipe = "migrate"
    only = ["layer3.*"]

    [train]                 # DistillConfig
    epochs = 30
    amp = "bf16"

    [train.paths]
    mixed = true

A file holds values alone. Model, its input and data are named on the command line, for naming them runs code.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rdpass.core.errors import ConfigError
from rdpass.core.files import check_regular
from rdpass.core.named_code import names_code
from rdpass.training.config import DistillConfig, explained, setting_names

RUNS_CODE = ("data", "model")
MAY_RUN_CODE = {
    "loss": "--loss ", "distance": "--distance ", "train.optimiser": "--set train.optimiser=",
    "train.schedule": "--set train.schedule=",
}  # fmt: skip
"""Settings whose value may be ``pkg.mod:fn``, and how that is typed."""
NO_CODE = "timm:"
"""What looks like it in front of a name of timm's."""


class ConvertConfig(BaseModel):
    """The settings of one conversion, as ``rdpass.convert`` takes them; ``train`` is its ``config``.

    ``loss`` and ``distance`` are names, of registered ones or of code (``pkg.mod:fn``); functions that were given in
    their place are not kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str = "auto"
    tolerance: float | None = Field(default=None, ge=0)
    max_macs: float = Field(default=1.3, gt=0)
    quantize: Literal["int8"] | None = None
    loss: str | None = None
    distance: str | None = None
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    leaf: tuple[str, ...] = ()
    train: DistillConfig = DistillConfig()


def read_convert_config(file: Path | None, sets: Sequence[str], options: Mapping[str, Any]) -> ConvertConfig:
    """Defaults, then ``file``, then ``a.b=value`` of ``sets``, then ``options`` (dotted names) that are not None.

    Raises:
        ConfigError: a file that can't be read, a name that is unknown, a value out of range; the message names it.
    """
    merged: dict[str, Any] = _read(file) if file is not None else {}
    typed: dict[str, Any] = {}
    for text in sets:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--set {text!r} is not understood: write --set train.lr=0.05")
        typed[name.strip()] = _value(value.strip())
    given = {name: value for name, value in options.items() if value is not None}
    _refuse_named_code(merged, {*typed, *given})
    _refuse_named_code({name: value for name, value in typed.items() if not name.startswith("train.")}, given)
    for name, value in (*typed.items(), *given.items()):
        _put(merged, name, value)
    _refuse_code(merged)
    try:
        return ConvertConfig.model_validate(merged)
    except ValidationError as error:
        raise explained(error, setting_names(ConvertConfig)) from error


def to_toml(settings: Mapping[str, Any], prefix: str = "") -> str:
    """Settings as TOML, tables last; what is None is left out, as a file has no word for it."""
    plain = {key: value for key, value in settings.items() if value is not None and not isinstance(value, Mapping)}
    # JSON's strings, numbers, booleans and arrays of them are TOML's too.
    text = "".join(f"{_key(key)} = {json.dumps(value)}\n" for key, value in plain.items())
    for key, value in settings.items():
        if isinstance(value, Mapping):
            text += f"\n[{prefix}{_key(key)}]\n{to_toml(value, f'{prefix}{_key(key)}.')}"
    return text


def _key(name: str) -> str:
    """As TOML has a key: bare, or in quotes where it holds more than letters, digits, dashes and underscores."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def _read(file: Path) -> dict[str, Any]:
    try:
        check_regular(file)
        return tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--config {file} can't be read: {error}") from error


def _put(settings: dict[str, Any], dotted: str, value: Any) -> None:
    *tables, name = _keys(dotted)
    for table in tables:
        settings = settings.setdefault(table, {})
        if not isinstance(settings, dict):
            raise ConfigError(f"{dotted}: {table} is a value, not a table")
    settings[name] = value


def _keys(dotted: str) -> list[str]:
    """The keys of a dotted name as TOML has it; one in quotes may hold dots (``train.parameters."fc.*".lr_scale``).

    Raises:
        ConfigError: it is no such name.
    """
    try:
        table: Any = tomllib.loads(f"{dotted} = 0")
    except ValueError as error:
        raise ConfigError(
            f"--set {dotted} is not understood ({error}); a glob stands in quotes:"
            " --set 'train.parameters.\"layer1.*\".lr_scale=0.1'"
        ) from error
    keys = []
    while isinstance(table, dict):
        ((key, table),) = table.items()
        keys.append(key)
    return keys


def _value(text: str) -> Any:
    """As TOML has it, or else the text itself, so that a shell needs no second pair of quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text


def _refuse_code(settings: Mapping[str, Any]) -> None:
    found = next((name for name in RUNS_CODE if name in settings), None)
    if found is not None:
        raise ConfigError(f"{found}: a configuration runs no code; name the {found} on the command line")


def _refuse_named_code(settings: Mapping[str, Any], typed: Collection[str]) -> None:
    """A file that somebody handed on may name a registered loss; what imports a module is typed by whoever runs it."""
    for name, option in MAY_RUN_CODE.items():
        *tables, last = name.split(".")
        within: Any = settings
        for table in tables:
            within = within.get(table) if isinstance(within, Mapping) else None
        value = str(within.get(last, "")) if isinstance(within, Mapping) else ""
        if name not in typed and names_code(value) and not (tables and value.startswith(NO_CODE)):
            raise ConfigError(f"{name}: a configuration runs no code; name it on the command line: {option}{value}")

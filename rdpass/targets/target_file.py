"""A user's own target, in a TOML file with the keys of ``Target``; `rdpass targets --toml rpi4` writes one."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rdpass.core.errors import TargetError
from rdpass.core.files import check_regular
from rdpass.targets.boards import PRESETS
from rdpass.targets.cpu_words import WORDS
from rdpass.targets.target import Target


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    triple: Literal["aarch64-linux-gnu", "aarch64-linux-android", "x86_64-linux-gnu"]
    cpu: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")
    cores: int = Field(ge=1, le=1024)
    features: list[str]
    clock_ghz: float = Field(default=0.0, ge=0, le=100)
    macs_per_cycle: int = Field(default=0, ge=0, le=1024)
    l1d_bytes: int = Field(default=0, ge=0, le=1 << 40)
    l2_bytes: int = Field(default=0, ge=0, le=1 << 40)
    l3_bytes: int = Field(default=0, ge=0, le=1 << 40)
    dram_gbps: float = Field(default=0.0, ge=0, le=1e5)
    figures: str = "given by the user"


def read_target(path: Path) -> Target:
    """The target in a TOML file.

    Raises:
        TargetError: it can't be read, a key is missing or unknown, or a value is not legal; the message names the key
            and what is legal.
    """
    try:
        check_regular(path)
        values = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TargetError(f"target file {path} can't be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        keys = _Keys.model_validate(values)
    except ValidationError as error:
        raise TargetError(f"target file {path}: {_explained(error)}") from error
    _check_words(path, keys)
    return Target(**{**keys.model_dump(), "features": tuple(keys.features)})


def target_toml(target: Target) -> str:
    """A file with the figures of ``target`` under a name of one's own, to be changed."""
    values = {**asdict(target), "name": f"my-{target.name}"}
    head = (
        "# cpu: LLVM's name of the core. features: what its code may use, in the words of /proc/cpuinfo; ./run checks\n"
        "# them. What follows from clock_ghz on serves estimates and the choice of kernels; 0: not known.\n"
    )
    return head + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def _check_words(path: Path, keys: _Keys) -> None:
    if keys.name in {"host", *(preset.name for preset in PRESETS)}:
        raise TargetError(f"target file {path}: name: {keys.name} is known already; choose another")
    unknown = [word for word in keys.features if word not in WORDS]
    if unknown and keys.triple.startswith("aarch64"):
        raise TargetError(
            f"target file {path}: features: Linux knows none called {unknown[0]!r}{_near(unknown[0], sorted(WORDS))};"
            f" legal are {', '.join(sorted(WORDS))}"
        )


def _explained(error: ValidationError) -> str:
    """The first thing that is wrong, by its key."""
    first: Any = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"there is no key {key}{_near(key, list(_Keys.model_fields))}; legal are {', '.join(_Keys.model_fields)}"
    if first["type"] == "missing":
        return f"{key} is missing; `rdpass targets --toml rpi4` prints a whole file"
    return f"{key}: {first['msg']}, got {first['input']!r}"


def _near(word: str, words: Sequence[str]) -> str:
    found = difflib.get_close_matches(word, words, 1)
    return f"; {found[0]} is near it" if found else ""

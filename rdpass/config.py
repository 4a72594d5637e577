"""What a training run can be told, validated before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rdpass.errors import ConfigError
from rdpass.options import PathOptions, StudentOptions


class DistillConfig(BaseModel):
    """The settings of a distillation; the defaults suit a warm start from the teacher.

    What is left unsaid is the recipe's own choice. ``fade``: fraction of the steps over which the shortcuts fade.
    ``alpha``: weight of the distillation loss beside the labels' cross-entropy, at ``temperature``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=10, ge=1)
    lr: float = Field(default=0.05, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    fade: float = Field(default=0.75, gt=0, le=1)
    alpha: float = Field(default=0.9, ge=0, le=1)
    temperature: float = Field(default=4.0, gt=0)
    seed: int = 0
    device: str = "cpu"
    student: StudentOptions = StudentOptions()
    paths: PathOptions = PathOptions()


Settings = TypeVar("Settings", bound=BaseModel)


def with_defaults(settings: Settings, defaults: Mapping[str, Any]) -> Settings:
    """The settings, with ``defaults`` for those that were not set; nested ones likewise."""
    changed = {
        name: with_defaults(getattr(settings, name), value) if isinstance(value, Mapping) else value
        for name, value in defaults.items()
        if isinstance(value, Mapping) or name not in settings.model_fields_set
    }
    return settings.model_copy(update=changed)


def distill_config(**settings: Any) -> DistillConfig:
    """A configuration from settings, those that are None left at their defaults.

    Raises:
        ConfigError: a name is unknown or a value out of range; the message names it.
    """
    try:
        return DistillConfig(**{key: value for key, value in settings.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, got {first['input']!r}") from error

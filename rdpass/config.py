"""What a training run can be told, validated before anything starts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rdpass.errors import ConfigError


class DistillConfig(BaseModel):
    """The settings of a distillation; the defaults suit a warm start from the teacher.

    ``fade``: fraction of the steps over which the shortcuts fade. ``alpha``: weight of the distillation loss beside
    the labels' cross-entropy, at ``temperature``.
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

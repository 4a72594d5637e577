"""Settings of a training run, validated before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from rdpass.core.errors import ConfigError
from rdpass.training.options import (
    ParameterOptions,
    PathOptions,
    PruneOptions,
    QuantizeOptions,
    StudentOptions,
)


def name_of(given: str | Callable[..., Any]) -> str:
    """The name that was given, or that of a function, with its arguments where some are bound already.

    Example:
        >>> import math
        >>> name_of("adamw"), name_of(math.gcd), name_of(partial(math.gcd, 2))
        ('adamw', 'math:gcd', 'math:gcd(2)')
    """
    if isinstance(given, str):
        return given
    if isinstance(given, partial):
        bound = [*map(repr, given.args), *(f"{name}={value!r}" for name, value in given.keywords.items())]
        return f"{name_of(given.func)}({', '.join(bound)})"
    named = given if hasattr(given, "__qualname__") else type(given)
    return f"{named.__module__}:{named.__qualname__}"


Named = Annotated[str | Callable[..., Any], PlainSerializer(name_of, return_type=str)]
Option = bool | int | float | str | tuple[int | float | str, ...]


class DistillConfig(BaseModel):
    """The settings of a distillation; the defaults suit a warm start from the teacher.

    What is left unsaid is the recipe's own choice.

    What is learnt:
        epochs: passes over the data.
        batches: batches of one epoch, for a loader without a length; one with a length is cut short by it.
        optimiser: ``sgd``, or another of torch's or timm's (``adamw``, ``timm:lamb``), or a function
            (``rdpass.training.optimiser``). The recipes' rates are for ``sgd``: with another one, say ``lr``.
        optimiser_options: what it is given beside the rate: ``{"betas": (0.9, 0.95)}``.
        lr: peak learning rate.
        momentum: of ``sgd``, Nesterov's; 0 is plain gradient descent.
        weight_decay: of the layers' weights; biases, gains and normalisation have none.
        parameters: other rates and weight decays for parameters by globs on their names, the later over the earlier:
            ``{"fc.*": {"lr_scale": 0.1}}``; see ``ParameterOptions``.
        schedule: ``cosine`` to zero, another of torch's or timm's (``onecycle``, ``timm:tanh``), or a function
            (``rdpass.training.learning_rate``).
        schedule_options: what it is given.
        warmup: fraction of the steps over which the rate rises to what the schedule says.
        fade: fraction of the steps over which the shortcuts fade; None: the recipe's choice for each.
        alpha: weight of the distance to the teacher beside the task's own loss.
        temperature: of the logits whose divergence is that distance.
        accumulate: batches to one step; the gradient is that of their rows together, batch norms see one at a time.
        clip: longest gradient, in its norm over all parameters; a longer one is scaled down.

    What comes out of it:
        ema: decay of an exponential moving average of the weights (0.999), which is then what is validated and
            exported.
        keep_best: export the epoch that does best on the held-out data; the last one otherwise.
        patience: end after so many epochs without a better one; never otherwise.

    How it is computed:
        seed: of shuffling, augmentation and whatever the model draws.
        device: ``cpu``, ``cuda``, ``cuda:1``, …
        amp: ``bf16`` or ``fp16`` for forward passes in mixed precision, fp16 with a loss scale; weights stay float32.

    What is kept of it:
        checkpoint_steps: save after every so many steps too; an epoch's end is always saved.
        checkpoint_seconds: save after the step that ends so long after the last save.
        log_steps: a line of ``history.jsonl`` every so many steps.
        share_steps: ask every so many steps how much of the gradient comes through the teacher; 0 never.
        log: where the same numbers go too: ``tensorboard`` (files), ``wandb``, ``mlflow`` (wherever these are set up
            to send them).
        tensorboard: the same as ``tensorboard`` in ``log``.

    What to do about numbers that are not finite:
        on_nan: ``stop``, or ``rollback``: leave out a batch whose inputs are not finite; else go back to the last saved
            state at half the learning rate and, if the same batch fails again, leave it out.
        max_rollbacks: so often in a run at most.

    What the recipes are told:
        student, paths, prune: see there.
        quantize: of the last stage, where the student is trained in int8 too; see there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=10, ge=1)
    batches: int | None = Field(default=None, ge=1)
    optimiser: Named = "sgd"
    optimiser_options: dict[str, Option] = {}
    lr: float = Field(default=0.05, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    parameters: dict[str, ParameterOptions] = {}
    schedule: Named = "cosine"
    schedule_options: dict[str, Option] = {}
    warmup: float = Field(default=0.05, ge=0, lt=1)
    fade: float | None = Field(default=None, gt=0, le=1)
    alpha: float = Field(default=0.9, ge=0, le=1)
    temperature: float = Field(default=4.0, gt=0)
    accumulate: int = Field(default=1, ge=1)
    clip: float | None = Field(default=None, gt=0)
    ema: float | None = Field(default=None, gt=0, lt=1)
    keep_best: bool = False
    patience: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=-(2**63), lt=2**63)
    device: str = "cpu"
    amp: Literal["bf16", "fp16"] | None = None
    checkpoint_steps: int | None = Field(default=None, ge=1)
    checkpoint_seconds: float = Field(default=300.0, gt=0)
    log_steps: int = Field(default=10, ge=1)
    share_steps: int = Field(default=100, ge=0)
    log: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ()
    tensorboard: bool = False
    on_nan: Literal["stop", "rollback"] = "stop"
    max_rollbacks: int = Field(default=3, ge=1)
    student: StudentOptions = StudentOptions()
    paths: PathOptions = PathOptions()
    prune: PruneOptions = PruneOptions()
    quantize: QuantizeOptions = QuantizeOptions()

    @model_validator(mode="after")
    def _rate_is_said(self) -> Self:
        if self.optimiser != "sgd" and "lr" not in self.model_fields_set:
            raise ConfigError(
                f"train.optimiser={name_of(self.optimiser)}: the default learning rate is for sgd; say one for this"
                " optimiser (lr=, --lr, train.lr)"
            )
        return self


Settings = TypeVar("Settings", bound=BaseModel)


def with_defaults(settings: Settings, defaults: Mapping[str, Any]) -> Settings:
    """The settings, with ``defaults`` for those that were not set; nested ones likewise."""
    changed = {
        name: with_defaults(getattr(settings, name), value) if isinstance(value, Mapping) else value
        for name, value in defaults.items()
        if isinstance(value, Mapping) or name not in settings.model_fields_set
    }
    return settings.model_copy(update=changed)


def settings_of_now(written: Mapping[str, Any]) -> dict[str, Any]:
    """Training settings that an earlier version wrote, with today's defaults for those it did not know.

    A new setting's default is what was done before there was one.

    Example:
        >>> now = settings_of_now({"lr": 0.1, "paths": {"mixed": True}})
        >>> now["lr"], now["paths"]["mixed"], now["paths"]["floor"], now["schedule"]
        (0.1, True, 0.5, 'cosine')
    """
    return _filled(written, DistillConfig().model_dump())


def _filled(written: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    within = {name: _filled(written[name], default) for name, default in defaults.items()
              if isinstance(default, Mapping) and isinstance(written.get(name), Mapping)}  # fmt: skip
    return {**defaults, **written, **within}


def distill_config(**settings: Any) -> DistillConfig:
    """A configuration from settings, those that are None left at their defaults.

    Raises:
        ConfigError: a name is unknown or a value out of range; the message names it.
    """
    try:
        return DistillConfig(**{key: value for key, value in settings.items() if value is not None})
    except ValidationError as error:
        raise explained(error, setting_names(DistillConfig)) from error


def explained(error: ValidationError, known: Sequence[str]) -> ConfigError:
    """The first thing that is wrong, by the setting's name; ``known`` are all names, to tell one that was meant."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden" and "parameters" in first["loc"]:
        return ConfigError(
            f"{name}: there is no such setting; parameters have {', '.join(ParameterOptions.model_fields)}"
        )
    if first["type"] == "extra_forbidden":
        return ConfigError(f"{name}: there is no such setting{_hint(name, known)}")
    return ConfigError(f"{name}: {first['msg']}, got {first['input']!r}")


def setting_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The dotted names of all settings of a model and of those in it.

    Example:
        >>> "paths.mixed" in setting_names(DistillConfig)
        True
    """
    names = []
    for name, field in model.model_fields.items():
        kind: Any = field.annotation
        within = isinstance(kind, type) and issubclass(kind, BaseModel)
        names += setting_names(kind, f"{prefix}{name}.") if within else [f"{prefix}{name}"]
    return names


def _hint(name: str, known: Sequence[str]) -> str:
    """``; did you mean 'train.lr'?``: a setting of that last word elsewhere, or one that is spelt nearly so."""
    by_last_word = {each.rpartition(".")[2]: each for each in reversed(known)}
    last = name.rpartition(".")[2]
    close = get_close_matches(last, by_last_word, 1)
    elsewhere = [by_last_word[word] for word in (last, *close) if word in by_last_word]
    found = elsewhere if last in by_last_word else get_close_matches(name, known, 1) or elsewhere
    return f"; did you mean {found[0]!r}?" if found else ""

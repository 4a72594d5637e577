"""Options of a student, its training paths, its parameters, of pruning and of training in int8.

They are a part of ``DistillConfig``. What is not said is the recipe's own choice (``Recipe.defaults``).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rdpass.core.numeric_types import SINGLE, Precision
from rdpass.targets.boards import DEFAULT_BOARD


class StudentOptions(BaseModel):
    """Options of a student: how it starts, and which of its shortcuts leave, how.

    ``initialise`` (recipes without shortcuts from the first step): ``warm`` with the teacher's weights, ``random``
    anew, ``dirac`` anew with JointRD's alpha delta + beta W, which folds in the end.
    ``keep_projections``: leave every shortcut that is not an identity, as JointRD's authors do; the student is then
    not strictly plain.
    ``stream``: what bottleneck-like blocks carry (``stage``, ``block``: principal components shared in a stage or a
    block's own; ``first``: the first channels; ``off``: identities alone, where they fit). ``statistics_images``: how
    many of the training images the components are taken from.
    ``growth``: the identities' strength, u^(1/m) round each of m convolutions (``root``) or u (``linear``).
    ``shape``: u over the fading time. ``order``: all blocks together or one after another.
    ``merge_pairs``: the activation between two 1x1 convolutions fades too, and the two end as one where that costs
    less.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    initialise: Literal["warm", "dirac", "random"] = "warm"
    keep_projections: bool = False
    stream: Literal["stage", "block", "first", "off"] = "stage"
    statistics_images: int = Field(default=1500, ge=1)
    growth: Literal["root", "linear"] = "root"
    shape: Literal["linear", "cosine"] = "linear"
    order: Literal["together", "output_first", "input_first"] = "together"
    merge_pairs: bool = False


class PathOptions(BaseModel):
    """The paths of the loss; JointRD's symbols in brackets.

    ``mixed``: whether the student's maps also go on through the teacher's later stages. ``cuts``: where they cross,
    names of graph nodes; empty for the ends of all stages but the last. ``off``: cuts whose path is left out.
    ``own``: whether the student's own output counts.
    ``floor`` [dc] and ``span`` [E, as a fraction of all steps]: the mixed paths' weight falls from 1 to ``floor`` by a
    cosine over ``span``. ``average``: divide all terms by the number of paths.
    ``features`` [lambda]: weight of the feature loss at the last stage's end, on every path; 0 leaves it out.
    ``transform``: a 1x1 convolution with batch norm on the student's side, a margin ReLU on the teacher's.
    ``teacher``: ``frozen``, or ``trained`` along on a copy by its own task loss.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mixed: bool = False
    cuts: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    own: bool = True
    floor: float = Field(default=0.5, ge=0, le=1)
    span: float = Field(default=1.0, gt=0, le=1)
    average: bool = False
    features: float = Field(default=0.0, ge=0)
    transform: bool = True
    teacher: Literal["frozen", "trained"] = "frozen"


MOST_STEPS = 8
"""Of pruning, each of which keeps a training state of its own."""


class PruneOptions(BaseModel):
    """Which channels recipe ``prune`` takes.

    ``share``: of the multiply-accumulates that are to leave. ``floor``: the fraction of its width that a layer keeps.
    ``steps``: in how many equal steps; after each the network is trained for its part of the epochs.
    ``importance``: ``magnitude`` of weights; ``taylor``, what the loss on ``images`` training images says; ``auto`` is
    the latter where there is a loss, with labels or of the user's.
    ``multiple``: that the widths of shrunken layers are to be of; None: the channels of a block of the kernels for
    ``target`` in ``precision``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: float = Field(default=0.3, gt=0, lt=1)
    floor: float = Field(default=0.25, ge=0, le=1)
    steps: int = Field(default=1, ge=1, le=MOST_STEPS)
    importance: Literal["auto", "magnitude", "taylor"] = "auto"
    images: int = Field(default=512, ge=1)
    multiple: int | None = Field(default=None, ge=1)
    target: str = DEFAULT_BOARD
    precision: Precision = SINGLE  # type: ignore[assignment]


class ParameterOptions(BaseModel):
    """What is different for some parameters; None leaves a value as it is for all.

    ``lr_scale``: their learning rate, as a multiple of the schedule's. ``weight_decay``: theirs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lr_scale: float | None = Field(default=None, ge=0)
    weight_decay: float | None = Field(default=None, ge=0)


class QuantizeOptions(BaseModel):
    """The last stage of a conversion with ``quantize="int8"``: training with fake quantisation.

    ``epochs``: passes over the data; 0 leaves it at rounding. ``lr``: peak learning rate, of weights as shares of their
    filter's largest one. ``clip``: longest gradient; the student has no batch norms left.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=3, ge=0)
    lr: float = Field(default=1e-3, gt=0)
    clip: float | None = Field(default=1.0, gt=0)

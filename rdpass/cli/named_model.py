"""The model that a command is to work on, with a word on stderr where its weights are random."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rdpass.core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from rdpass.core.image_settings import ImageSettings


def is_run(spec: str) -> bool:
    """Tell whether ``spec`` is a run folder, the output of ``convert``."""
    from rdpass.runs.folder import RECORD

    return Path(spec, RECORD).is_file()


def images_of_run(*specs: str | Path) -> ImageSettings | None:
    """How the first run folder among ``specs`` that learnt from image files read them."""
    from rdpass.runs.folder import read_record

    found = (read_record(Path(spec)).images for spec in specs if is_run(str(spec)))
    return next((images for images in found if images is not None), None)


def load_student(folder: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The student of a run folder, and the example of the run."""
    from rdpass.runs.folder import load_run

    run = load_run(folder)
    return run.student, run.example


def load_named_model(
    spec: str, weights: str | Path | None, trusted: bool = False, input_shape: str | None = None
) -> tuple[nn.Module, tuple[Tensor, ...] | None]:
    """Load a model as ``models.load_model`` does, or the student of a run folder, with the example that came with it.

    Where it has random weights that is said.
    """
    from rdpass.sources.models import is_untrained, load_model

    if is_run(spec):
        if weights is not None:
            raise ConfigError(f"{spec} brings its weights along; leave out --weights {weights}")
        return load_student(spec)
    loaded = load_model(spec, weights, input_shape, trusted=trusted)
    if is_untrained(spec, weights):
        print(f"rdpass: {spec} has random weights; give trained ones with --weights FILE", file=sys.stderr)
    return loaded

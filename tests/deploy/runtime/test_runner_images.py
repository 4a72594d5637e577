"""The runner's reader of photographs, under sanitizers: Pillow's very bytes, and files that somebody damaged."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdpass.core.images import read_image
from rdpass.core.processing import Processing
from rdpass.deploy.bundle.runner_program import RUNTIME

_SOURCES = [
    str(RUNTIME / name)
    for name in ("image.cc", "image_decoder.cc", "image_file.cc", "image_header.cc", "input_file.cc", "tensor.cc")
]
_CHECKS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g")


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("tool") / "read_image"
    _compile(program)
    return program


def _compile(program: Path, *options: str) -> None:
    """Of the source of the same name, with all that reads images."""
    own = str(Path(__file__).with_name(f"{program.name}.cc"))
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", *_CHECKS, f"-I{RUNTIME}", own, *_SOURCES]
    subprocess.run([*command, *options, "-o", str(program)], check=True)


def _read(
    tool: Path, file: Path, channels: int, size: tuple[int, int], processing: Processing
) -> subprocess.CompletedProcess[bytes]:
    words = (file, processing.layout, int(processing.bgr), processing.crop, channels, *size)
    done = subprocess.run([tool, *map(str, words)], capture_output=True, check=False)
    assert b"Sanitizer" not in done.stderr
    assert b"runtime error" not in done.stderr
    return done


@pytest.mark.parametrize("crop", [1.0, 0.875])
@pytest.mark.parametrize("size", [(8, 8), (24, 31), (7, 40), (90, 64), (1, 1)])
@pytest.mark.parametrize("given", [(40, 24), (31, 24), (3, 200), (1, 1)])
def test_an_image_becomes_what_it_becomes_on_the_host(
    tool: Path, tmp_path: Path, given: tuple[int, int], size: tuple[int, int], crop: float
) -> None:
    pixels = np.random.default_rng(given).integers(0, 256, (given[1], given[0], 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.ppm")
    done = _read(tool, tmp_path / "x.ppm", 3, size, Processing("nhwc", crop=crop))
    assert done.returncode == 0
    got = np.frombuffer(done.stdout, np.uint8).reshape(*size, 3)
    np.testing.assert_array_equal(got, read_image(tmp_path / "x.ppm", 3, size, crop))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(("channels", "bgr"), [(3, False), (3, True), (1, False)])
@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_channels_come_as_the_network_has_them(
    tool: Path, tmp_path: Path, mode: str, channels: int, bgr: bool, layout: str
) -> None:
    file = tmp_path / ("x.ppm" if mode == "RGB" else "x.pgm")
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (9, 12, 3), np.uint8)).convert(mode).save(file)
    processing = Processing(layout, bgr=bgr)
    wanted = processing.arranged(read_image(file, channels, (6, 8)))
    done = _read(tool, file, channels, (6, 8), processing)
    np.testing.assert_array_equal(np.frombuffer(done.stdout, np.uint8).reshape(wanted.shape), wanted)


def test_comments_and_any_white_space_stand_in_a_header(tool: Path, tmp_path: Path) -> None:
    (tmp_path / "x.ppm").write_bytes(b"P6 # by a camera\n#\n 2\t\r\n1 # x\n255\n" + bytes(range(6)))
    done = _read(tool, tmp_path / "x.ppm", 3, (1, 2), Processing("nhwc"))
    assert (done.returncode, done.stdout) == (0, bytes(range(6)))


WHOLE = b"P6 2 1 255\n" + bytes(6)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", b"not a JPEG or PNG image, nor a binary PPM or PGM one"),
        (b"P", b"not a JPEG or PNG image, nor a binary PPM or PGM one"),
        (b"P3 2 1 255\n0 0 0 0 0 0", b"not a JPEG or PNG image, nor a binary PPM or PGM one"),
        (b"\x93NUMPY", b"not a JPEG or PNG image, nor a binary PPM or PGM one"),
        (b"P6", b"its header is damaged"),
        (b"P6 2 1", b"its header is damaged"),
        (b"P6 2 1 255", b"its header is damaged"),
        (b"P6 # no end", b"its header is damaged"),
        (b"P6 -2 1 255\n" + bytes(6), b"its header is damaged"),
        (b"P6 2x1 255\n" + bytes(6), b"its header is damaged"),
        (b"P6 0 1 255\n", b"holds no pixel"),
        (b"P6 99999999999999999999 1 255\n", b"sides are longer than 65535"),
        (b"P6 65536 1 255\n", b"sides are longer than 65535"),
        (b"P6 65535 65535 255\n", b"more than 100 million"),
        (b"P6 2 1 65535\n" + bytes(12), b"pixels are to be of 8 bits"),
        (b"P6 2 1 254\n" + bytes(6), b"pixels are to be of 8 bits"),
        (WHOLE[:-1], b"cut off"),
        (WHOLE + b"\n", b"holds more data"),
    ],
)
def test_what_is_damaged_is_refused_by_name(tool: Path, tmp_path: Path, content: bytes, said: bytes) -> None:
    (tmp_path / "x.ppm").write_bytes(content)
    done = _read(tool, tmp_path / "x.ppm", 3, (8, 8), Processing("nhwc"))
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr
    assert b"x.ppm: " in done.stderr


def test_random_damage_is_refused_or_read_and_never_more(tool: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    whole = np.frombuffer(b"P6 5 4 255\n" + bytes(random.integers(0, 256, 60, np.uint8)), np.uint8)
    for index in range(60):
        damaged = whole.copy()
        damaged[random.integers(0, 14, 2)] = random.choice(np.frombuffer(b"0123456789 \n#P56\xff", np.uint8), 2)
        (tmp_path / f"{index}.ppm").write_bytes(damaged[: random.integers(1, len(damaged) + 1)].tobytes())
        done = _read(tool, tmp_path / f"{index}.ppm", 3, (3, 3), Processing("nhwc"))
        assert (done.returncode, len(done.stdout)) in ((0, 27), (2, 0))


def test_a_file_that_is_not_there_is_named(tool: Path, tmp_path: Path) -> None:
    done = _read(tool, tmp_path / "gone.ppm", 1, (8, 8), Processing("nhwc"))
    assert done.returncode == 2
    assert b"gone.ppm: can't be read: No such file" in done.stderr

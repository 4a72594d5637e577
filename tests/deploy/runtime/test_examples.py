"""``examples/board``: built as its Makefile and its CMakeLists.txt say, and run on frames."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.execution import run_for_text

EXAMPLES = Path(__file__).parents[3] / "examples" / "board"
QUICK_TO_END = {**os.environ, "TVM_THREAD_POOL_SPIN_COUNT": "0"}
STRICT = "-O1 -Wall -Wextra -Wpedantic -Werror"
WIDTH, HEIGHT, COUNT = 40, 24, 3


@pytest.fixture(scope="module")
def program(image_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By the Makefile."""
    folder = shutil.copytree(EXAMPLES, tmp_path_factory.mktemp("made") / "board")
    words = ["make", "-C", folder, f"BUNDLE={image_bundle.folder}", f"CXXFLAGS={STRICT}"]
    subprocess.run(words, check=True, capture_output=True)
    return folder / "classify_frames"


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (COUNT, HEIGHT, WIDTH, 3), np.uint8)


def _run(program: Path, *words: str | Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([program, *words], input=given, capture_output=True, check=False, env=QUICK_TO_END)


def test_every_frame_has_the_label_that_the_bundles_program_gives_it(
    program: Path, image_bundle: Bundle, frames: np.ndarray, tmp_path: Path
) -> None:
    expected = []
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "frame.ppm")
        score, label = run_for_text(image_bundle.folder, (), [str(tmp_path / "frame.ppm")]).split("\n")[0].split("  ")
        expected.append(f"{index}\t{label}\t{score}")
    done = _run(program, "--size", f"{WIDTH}x{HEIGHT}", image_bundle.folder, given=frames.tobytes())
    assert done.returncode == 0
    assert done.stdout.decode().replace("\x1b", "?").splitlines() == expected
    times = done.stderr.decode().splitlines()
    assert re.match(rf"{COUNT} frames, in ms: p50 \S+  p95 \S+  p99 \S+  max \S+$", times[0])
    assert sum(int(line.split()[3]) for line in times[1:]) == COUNT


def test_frames_in_files_are_those_on_stdin(
    program: Path, image_bundle: Bundle, frames: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "a.raw").write_bytes(frames[:2].tobytes())
    (tmp_path / "b.raw").write_bytes(frames[2:].tobytes())
    words = ("--size", f"{WIDTH}x{HEIGHT}", image_bundle.folder)
    files = _run(program, *words, tmp_path / "a.raw", tmp_path / "b.raw")
    assert files.stdout == _run(program, *words, given=frames.tobytes()).stdout != b""


@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        ([], b"", b"usage: classify_frames --size WIDTHxHEIGHT"),
        (["--size", "0x4"], b"", b"usage:"),
        (["--size", "4x4x"], b"", b"usage:"),
        (["--size", "4"], b"", b"usage:"),
        (["--size", "4x4"], bytes(47), b"stdin: ends within a frame"),
        (["--size", "4x4", "--grey"], bytes(17), b"stdin: ends within a frame"),
        (["--size", "4x4", "--threads", "-1"], b"", b"threads are 1 to 1024"),
    ],
)
def test_what_makes_no_sense_is_said(
    program: Path, image_bundle: Bundle, words: list[str], given: bytes, said: bytes
) -> None:
    done = _run(program, *words, image_bundle.folder, given=given)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_bundle_that_takes_no_image_and_a_file_that_is_not_there_are_named(
    program: Path, host_bundle: Bundle, image_bundle: Bundle, tmp_path: Path
) -> None:
    for bundle, words, said in (
        (host_bundle, [], b"takes no image: compile it with --preprocess"),
        (image_bundle, [tmp_path / "gone.raw"], b"gone.raw: can't be read"),
    ):
        done = _run(program, "--size", "4x4", bundle.folder, *words)
        assert (done.returncode, said in done.stderr) == (2, True)
    done = _run(program, "--size", "4x4", tmp_path)
    assert (done.returncode, b"librdpass_network.so" in done.stderr) == (8, True)


def test_a_signal_ends_it_with_the_times(program: Path, image_bundle: Bundle, frames: np.ndarray) -> None:
    words = [program, "--size", f"{WIDTH}x{HEIGHT}", image_bundle.folder]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=QUICK_TO_END
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdin.write(frames[0].tobytes())
        running.stdin.flush()
        assert running.stdout.readline().startswith(b"0\t")
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0
        assert running.stderr.read().startswith(b"1 frames, in ms:")


def test_cmake_builds_it_and_wants_a_bundle(image_bundle: Bundle, tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not here")
    configure = ["cmake", "-S", EXAMPLES, "-B", tmp_path / "build"]
    done = subprocess.run(configure, capture_output=True, text=True, check=False)
    assert "RDPASS_BUNDLE names no bundle" in done.stderr
    subprocess.run([*configure, f"-DRDPASS_BUNDLE={image_bundle.folder}"], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", tmp_path / "build"], check=True, capture_output=True)
    assert _run(tmp_path / "build" / "classify_frames").returncode == 2


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    command = ["systemd-analyze", "verify", EXAMPLES / "classify-frames.service"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

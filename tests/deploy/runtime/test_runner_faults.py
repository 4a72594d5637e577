"""The runner's own parts, built with address and undefined-behaviour sanitizers, on files that somebody damaged."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rdpass.core.tensor_spec import TensorSpec
from rdpass.deploy.bundle.manifest import Manifest
from rdpass.deploy.bundle.runner_program import RUNTIME, SHARED, description_source, digests_of

_SOURCE = Path(__file__).with_name("echo_network.cc")
_CHECKS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1", "-g")
ODD = 'é "quoted"\\\n??/'
MANIFEST = Manifest(
    source="",
    target={"name": "here", "triple": "any-linux-gnu", "features": []},
    inputs=(TensorSpec("x", (2, 3), "float32"), TensorSpec("n", (), "int64")),
    outputs=(TensorSpec("y", (2, 3), "float32"), TensorSpec(ODD, (), "int64")),
    library="",
    gates=(),
    golden={
        "tolerance": 1e-4,
        "inputs": ["golden/input_0.npy", "golden/input_1.npy"],
        "outputs": ["golden/output_0.npy", "golden/output_1.npy"],
    },
    planned_activation_bytes=10,
    planned_workspace_bytes=20,
    fallbacks=(),
    versions={},
)
X = np.arange(6, dtype=np.float32).reshape(2, 3)
N = np.array(7, np.int64)
NO_LEAKS = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
"""The search for leaks needs to trace the process, which strace does already."""


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, in a folder with golden files of its own."""
    folder, sources_folder = tmp_path_factory.mktemp("echo"), tmp_path_factory.mktemp("sources")
    (folder / "golden").mkdir()
    for kind in ("input", "output"):
        np.save(folder / f"golden/{kind}_0.npy", X)
        np.save(folder / f"golden/{kind}_1.npy", N)
    (sources_folder / "description.cc").write_text(description_source(MANIFEST, digests_of(folder)))
    sources = [str(path) for path in (*SHARED, _SOURCE, sources_folder / "description.cc")]
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", *_CHECKS, f"-I{RUNTIME}", *sources]
    subprocess.run([*command, "-o", str(folder / "run")], check=True)
    return folder / "run"


def _bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _run(program: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, errors="replace", check=False)
    assert "Sanitizer" not in done.stderr
    assert "runtime error" not in done.stderr
    return done


def test_whole_files_go_through_bit_by_bit(echo: Path, tmp_path: Path) -> None:
    golden = echo.parent / "golden"
    y, m = tmp_path / "y.npy", tmp_path / "m.npy"
    assert _run(echo, golden / "input_0.npy", golden / "input_1.npy", y, m).returncode == 0
    assert y.read_bytes() == _bytes(X)
    assert m.read_bytes() == _bytes(N)


def test_its_other_modes_are_clean_too(echo: Path) -> None:
    for arguments in (["--verify"], ["--bench", "5"], ["--info"], ["--help"]):
        assert _run(echo, *arguments).returncode == 0
    for words in (["--bench"], ["--threads"], ["--verify", "--verify"], [""] * 4, ["-"] * 4, ["x" * 5000] * 4):
        assert _run(echo, *words).returncode == 2


def test_names_of_any_letters_go_from_the_model_to_what_is_printed(echo: Path) -> None:
    assert json.loads(_run(echo, "--info").stdout)["outputs"][1]["name"] == ODD
    assert ODD.splitlines()[0] in _run(echo, "--verify").stdout


def test_stdout_that_is_full_is_an_error(echo: Path) -> None:
    with Path("/dev/full").open("w") as full:
        assert subprocess.run([echo, "--info"], stdout=full, stderr=subprocess.DEVNULL, check=False).returncode == 1


def _damaged(good: bytes) -> Iterator[bytes]:
    """Every truncation, every byte of the header set to three others, and random noise of many lengths."""
    for size in range(len(good)):
        yield good[:size]
    for at in range(128):
        for value in (0x00, 0xFF, good[at] ^ 0x10):
            if value != good[at]:
                yield good[:at] + bytes([value]) + good[at + 1 :]
    random = np.random.default_rng(0)
    for size in (1, 7, 8, 10, 64, 500, 70_000):
        yield random.bytes(size)
        yield good[:8] + random.bytes(size)
        yield good[:10] + random.bytes(size)


def _is_padding(good: bytes, spoiled: bytes) -> bool:
    """Only the version's minor number or blanks at the header's end are others: numpy takes such a file as well."""
    return len(good) == len(spoiled) and all(
        a == b or at == 7 for at, (a, b) in enumerate(zip(good, spoiled, strict=True))
    )


@pytest.mark.slow
def test_no_damage_gets_past_it(echo: Path, tmp_path: Path) -> None:
    good, spoiled = _bytes(X), tmp_path / "x.npy"
    golden = echo.parent / "golden/input_1.npy"
    for content in _damaged(good):
        spoiled.write_bytes(content)
        done = _run(echo, spoiled, golden, tmp_path / "y.npy", tmp_path / "m.npy")
        if _is_padding(good, content):
            assert done.returncode == 0
            (tmp_path / "y.npy").unlink(), (tmp_path / "m.npy").unlink()
        else:
            assert done.returncode == 2, content
            assert len(done.stderr.splitlines()) == 1
            assert not (tmp_path / "y.npy").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x93NUMPY\x03\x00\xff\xff\xff\x7f", "damaged .npy header"),
        (b"\x93NUMPY\x01\x00\x00\x00", "holds , but 'x' is"),
        (b"\x93NUMPY\x02\x00\x05\x00", "cut off within its header"),
        (_bytes(np.asfortranarray(X)), "'fortran_order': True"),
        (_bytes(X.astype(">f4")), "'>f4'"),
        (_bytes(X.astype(np.float16)), "'<f2'"),
        (_bytes(np.zeros((2, 0), np.float32)), "(2, 0)"),
        (_bytes(X).replace(b"(2, 3), }            ", b"(2, 4611686018427387904)"), "(2, 4611686018427387904)"),
        (_bytes(X) + b"\0", "holds more data"),
        (_bytes(X)[:-1], "holds too little data"),
    ],
)  # fmt: skip
def test_each_kind_of_damage_is_called_by_its_name(echo: Path, tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    golden = echo.parent / "golden/input_1.npy"
    done = _run(echo, tmp_path / "x.npy", golden, tmp_path / "y.npy", tmp_path / "m.npy")
    assert done.returncode == 2
    assert reason in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_a_folder_a_pipe_and_a_device_are_no_inputs_or_are_read_as_files(echo: Path, tmp_path: Path) -> None:
    golden = echo.parent / "golden"
    places = (tmp_path / "y.npy", tmp_path / "m.npy")
    assert _run(echo, tmp_path, golden / "input_1.npy", *places).returncode == 2
    assert _run(echo, "/dev/zero", golden / "input_1.npy", *places).returncode == 2
    command = f"cat {golden}/input_0.npy | {echo} /dev/stdin {golden}/input_1.npy {places[0]} {places[1]}"
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0


@pytest.mark.parametrize("place", ["none/y.npy", ".", "y.npy/below"])
def test_a_place_that_cannot_be_written_leaves_nothing(echo: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "y.npy").write_bytes(b"kept")
    golden = [echo.parent / f"golden/input_{index}.npy" for index in range(2)]
    done = _run(echo, *golden, tmp_path / place, tmp_path / "m.npy")
    assert done.returncode == 2
    assert "can't be written" in done.stderr or "is a folder" in done.stderr
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("y.npy", b"kept")]


@pytest.fixture
def given(echo: Path) -> list[Path]:
    return [echo.parent / f"golden/input_{index}.npy" for index in range(2)]


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_neighbours_are_kept_whatever_they_are_called(
    echo: Path, given: list[Path], tmp_path: Path, force: list[str]
) -> None:
    names = ["y.npy.part", ".y.npy.part", "m.npy.part", "y.npy.tmp", *(f".y.npy.{pid}.0.part" for pid in range(1, 9))]
    for name in names:
        (tmp_path / name).write_text("mine")
    assert _run(echo, *force, *given, tmp_path / "y.npy", tmp_path / "m.npy").returncode == 0
    assert {(tmp_path / name).read_text() for name in names} == {"mine"}
    assert {path.name for path in tmp_path.iterdir()} == {*names, "y.npy", "m.npy"}


def test_an_input_that_is_called_as_its_output_s_temporary_was_is_read_and_kept(echo: Path, tmp_path: Path) -> None:
    (tmp_path / "y.npy.part").write_bytes(_bytes(X))
    golden = echo.parent / "golden/input_1.npy"
    assert _run(echo, tmp_path / "y.npy.part", golden, tmp_path / "y.npy", tmp_path / "m.npy").returncode == 0
    assert (tmp_path / "y.npy.part").read_bytes() == (tmp_path / "y.npy").read_bytes() == _bytes(X)


def test_what_is_there_is_replaced_only_with_force(echo: Path, given: list[Path], tmp_path: Path) -> None:
    y, m = tmp_path / "y.npy", tmp_path / "m.npy"
    m.write_text("mine")
    done = _run(echo, *given, y, m)
    assert (done.returncode, m.read_text()) == (2, "mine")
    assert "m.npy: exists already; give another place, or --force to replace it" in done.stderr
    assert not y.exists()
    assert _run(echo, "--force", *given, y, m).returncode == 0
    assert m.read_bytes() == _bytes(N)


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_links_devices_pipes_and_folders_stay_what_they_are(
    echo: Path, given: list[Path], tmp_path: Path, force: list[str]
) -> None:
    (tmp_path / "far").write_text("mine")
    (tmp_path / "link").symlink_to("far")
    (tmp_path / "nowhere").symlink_to("none")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    for place, reason in (
        ("link", "is a link"), ("nowhere", "is a link"), ("folder", "is a folder"), ("pipe", "is a device, a pipe"),
        ("/dev/null", "is a device, a pipe"), ("/dev/full", "is a device, a pipe"),
    ):  # fmt: skip
        done = _run(echo, *force, *given, tmp_path / place, tmp_path / "m.npy")
        assert done.returncode == 2, place
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "far").read_text() == "mine"
    assert (tmp_path / "pipe").is_fifo()


def test_an_input_is_kept_under_whatever_name_and_so_is_the_bundle(
    echo: Path, given: list[Path], tmp_path: Path
) -> None:
    x = tmp_path / "x.npy"
    x.write_bytes(_bytes(X))
    os.link(x, tmp_path / "same.npy")
    (tmp_path / "here").symlink_to(tmp_path)
    for place in (x, tmp_path / "same.npy", tmp_path / "here" / "x.npy", tmp_path / ".." / tmp_path.name / "x.npy"):
        done = _run(echo, "--force", x, given[1], place, tmp_path / "m.npy")
        assert done.returncode == 2
        assert "is an input, and would be written over" in done.stderr
    (tmp_path / "bundle").symlink_to(echo.parent)
    for place in (echo, echo.parent / "new.npy", echo.parent / "golden" / "new.npy", tmp_path / "bundle" / "new.npy"):
        done = _run(echo, "--force", *given, place, tmp_path / "m.npy")
        assert done.returncode == 2
        assert "lies in the bundle" in done.stderr
    assert x.read_bytes() == _bytes(X)
    assert _run(echo, "--info").returncode == 0


def test_each_output_is_synced_before_any_is_in_its_place(echo: Path, given: list[Path], tmp_path: Path) -> None:
    traced = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-o", traced, "-e", "trace=openat,write,fsync,rename,renameat2", echo]
    if shutil.which("strace") is None:
        pytest.skip("strace is not here")
    subprocess.run([*command, *given, tmp_path / "y.npy", tmp_path / "m.npy"], check=True, env=NO_LEAKS)
    calls = re.findall(r"(fsync|renameat2)\(.*?(\.[ym]\.npy|>)", traced.read_text())
    assert [call for call, _ in calls] == ["fsync", "fsync", "renameat2", "fsync", "renameat2", "fsync"]


def test_a_disk_that_is_full_leaves_nothing(echo: Path, given: list[Path], tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    places = f"{tmp_path}/y.npy {tmp_path}/m.npy"
    command = f"trap '' XFSZ; ulimit -f 0; exec {echo} {given[0]} {given[1]} {places}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, env=NO_LEAKS)
    assert done.returncode == 2
    assert "y.npy: can't be written: File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 3, 5])
def test_numbers_that_are_not_finite_are_refused_by_place_unless_they_are_allowed(
    echo: Path, tmp_path: Path, value: float, at: int
) -> None:
    spoiled = X.copy()
    spoiled.flat[at] = value
    np.save(tmp_path / "x.npy", spoiled)
    files = [tmp_path / "x.npy", echo.parent / "golden/input_1.npy", tmp_path / "y.npy", tmp_path / "m.npy"]
    done = _run(echo, *files)
    assert done.returncode == 2
    assert f"x.npy: element {at} is not a number or infinite" in done.stderr
    assert not (tmp_path / "y.npy").exists()
    assert _run(echo, "--allow-nonfinite", *files).returncode == 0
    assert (tmp_path / "y.npy").read_bytes() == _bytes(spoiled)


def test_the_largest_and_the_smallest_numbers_are_finite(echo: Path, tmp_path: Path) -> None:
    largest = np.finfo(np.float32).max
    np.save(tmp_path / "x.npy", np.array([[largest, -largest, 0], [-0.0, 1e-45, -1e-40]], np.float32))
    golden = echo.parent / "golden/input_1.npy"
    assert _run(echo, tmp_path / "x.npy", golden, tmp_path / "y.npy", tmp_path / "m.npy").returncode == 0

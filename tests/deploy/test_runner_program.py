"""The bundle's own program: every bad file is refused in one line, and nothing is half-written."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rdpass.building import Bundle


def _run(bundle: Bundle, *files: Path) -> subprocess.CompletedProcess[str]:
    command = [str(bundle.folder / "run"), *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _given(bundle: Bundle) -> np.ndarray:
    golden: np.ndarray = np.load(bundle.folder / "golden/input_0.npy")
    return golden


def test_it_writes_what_numpy_reads_and_says_nothing(host_bundle: Bundle, tmp_path: Path) -> None:
    done = _run(host_bundle, host_bundle.folder / "golden/input_0.npy", tmp_path / "y.npy")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    expected = host_bundle.folder / "golden/output_0.npy"
    assert np.allclose(np.load(tmp_path / "y.npy"), np.load(expected), rtol=1e-5)
    assert len((tmp_path / "y.npy").read_bytes()) == len(expected.read_bytes())
    assert [p.name for p in tmp_path.iterdir()] == ["y.npy"]


def test_it_finds_its_bundle_from_any_folder(host_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(host_bundle.folder / "run")
    command = [tmp_path / "link", host_bundle.folder / "golden/input_0.npy", "y.npy"]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0


def _bad_files(x: np.ndarray) -> dict[str, tuple[bytes, str]]:
    good = _npy(x)
    return {
        "no magic": (b"hello", "not an .npy file"),
        "empty": (b"", "not an .npy file"),
        "unknown version": (good[:6] + b"\x09" + good[7:], "unknown .npy format 9"),
        "huge header": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "damaged .npy header"),
        "cut within the header": (good[:40], "cut off within its header"),
        "cut within the data": (good[:-1], "holds too little data"),
        "data left over": (good + b"\0", "holds more data"),
        "another type": (_npy(x.astype(np.float64)), "'<f8'"),
        "big-endian": (_npy(x.astype(">f4")), "'>f4'"),
        "another shape": (_npy(x[:, :2]), "(1, 2, 17, 15)"),
        "a shape of more axes": (_npy(x[None]), "(1, 1, 3, 17, 15)"),
        "Fortran order": (_npy(np.asfortranarray(x)), "'fortran_order': True"),
        "a record": (_npy(np.zeros(3, [("a", "<f4")])), "[('a', '<f4')]"),
        "control letters": (good[:10] + b"\x1b[2J" + good[14:], "holds ?[2J"),
    }


@pytest.mark.parametrize("fault", list(_bad_files(np.zeros((1, 3, 17, 15), np.float32))))
def test_a_bad_input_is_refused_in_one_line(host_bundle: Bundle, tmp_path: Path, fault: str) -> None:
    content, reason = _bad_files(_given(host_bundle))[fault]
    (tmp_path / "x.npy").write_bytes(content)
    done = _run(host_bundle, tmp_path / "x.npy", tmp_path / "y.npy")
    assert done.returncode == 2
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "y.npy").exists()


def test_a_missing_input_or_place_is_named(host_bundle: Bundle, tmp_path: Path) -> None:
    golden = host_bundle.folder / "golden/input_0.npy"
    for files, reason in (
        ((tmp_path / "none.npy", tmp_path / "y.npy"), "none.npy: can't be read"),
        ((tmp_path, tmp_path / "y.npy"), "not an .npy file"),
        ((golden, tmp_path / "none" / "y.npy"), "y.npy: can't be written"),
    ):
        done = _run(host_bundle, *files)
        assert done.returncode == 2
        assert reason in done.stderr


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_wrong_number_of_files_is_answered_with_the_usage(host_bundle: Bundle, tmp_path: Path, count: int) -> None:
    done = _run(host_bundle, *(tmp_path / f"{index}.npy" for index in range(count)))
    assert done.returncode == 2
    assert "1 inputs and 1 outputs" in done.stderr


@pytest.mark.slow
def test_every_truncation_of_the_header_is_refused(host_bundle: Bundle, tmp_path: Path) -> None:
    good = _npy(_given(host_bundle))
    for size in range(130):
        (tmp_path / "x.npy").write_bytes(good[:size])
        assert _run(host_bundle, tmp_path / "x.npy", tmp_path / "y.npy").returncode == 2

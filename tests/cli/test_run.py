"""``rdpass run``: a bundle's network on files."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from rdpass.cli.app import run
from rdpass.cli.run import read_array, write_array
from rdpass.core.errors import ConfigError
from rdpass.deploy.bundle.building import Bundle


def test_run_prints_what_it_is_not_told_to_write(host_bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    folder = str(host_bundle.folder)
    assert run(["run", folder, f"{folder}/golden/input_0.npy"]) == 0
    assert capfd.readouterr().out.startswith("y float32 (1, 5)\n[[")


def test_an_array_is_written_as_it_is_and_read_back(tmp_path: Path) -> None:
    array = np.float32([[1, np.inf], [-0.0, 1e-38]])
    write_array(tmp_path / "a.npy", array, force=False)
    assert np.array_equal(read_array(tmp_path / "a.npy"), array)
    with pytest.raises(ConfigError, match="exists already"):
        write_array(tmp_path / "a.npy", array, force=False)
    write_array(tmp_path / "a.npy", array[:1], force=True)
    assert read_array(tmp_path / "a.npy").shape == (1, 2)


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY\x01", b"hello", pickle.dumps([1])], ids=repr)
def test_what_is_no_array_is_refused(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ConfigError, match=r"a\.npy can't be read as an \.npy file"):
        read_array(tmp_path / "a.npy")


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}, []], dtype=object), allow_pickle=True)
    with pytest.raises(ConfigError, match="allow_pickle=False"):
        read_array(tmp_path / "a.npy")


def test_two_outputs_need_two_places(two_by_two_onnx: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["compile", str(two_by_two_onnx), "-o", str(tmp_path / "two.rdp")]) == 0
    capfd.readouterr()
    golden = [str(tmp_path / "two.rdp" / "golden" / f"input_{index}.npy") for index in (0, 1)]
    twice = ["-o", str(tmp_path / "y.npy"), "-o", f"{tmp_path}/../{tmp_path.name}/y.npy"]
    assert run(["run", str(tmp_path / "two.rdp"), *golden, *twice]) == 2
    shown = capfd.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert "is given for two outputs" in shown.err
    assert not (tmp_path / "y.npy").exists()

"""``rdpass run``: a bundle's network on files."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image

from rdpass.cli.app import run
from rdpass.cli.run import read_array, write_array
from rdpass.core.errors import ConfigError
from rdpass.deploy.bundle.building import Bundle


def test_run_prints_what_it_is_not_told_to_write(host_bundle: Bundle, capfd: pytest.CaptureFixture[str]) -> None:
    folder = str(host_bundle.folder)
    assert run(["run", folder, f"{folder}/golden/input_0.npy"]) == 0
    assert capfd.readouterr().out.startswith("y float32 (1, 5)\n[[")


def test_an_array_may_come_from_a_pipe_and_have_any_name(
    host_bundle: Bundle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = (host_bundle.folder / host_bundle.manifest.golden["inputs"][0]).read_bytes()
    (tmp_path / "image.bin").write_bytes(content)
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    printed = []
    for place in (tmp_path / "image.bin", f"/dev/fd/{reading}"):
        assert run(["run", str(host_bundle.folder), str(place)]) == 0
        printed.append(capfd.readouterr().out)
    os.close(reading)
    assert printed[0] == printed[1] != ""


def test_an_image_is_refused_where_the_network_takes_none(
    host_bundle: Bundle, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png")
    assert run(["run", str(host_bundle.folder), str(tmp_path / "x.png")]) == 2
    assert "x.png is an image; a bundle takes one where it was compiled with --preprocess" in capfd.readouterr().err


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


def _file(descr: str = "'<f4'", order: str = "False", shape: str = "(2, 3)", data: int = 24) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * data


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_file("'O'"), "can't be read"), (_file("(" * 300), "can't be read"),
        (_file("9" * 5000), "can't be read"), (_file(shape="(99999999999, 3)"), "can't be read"),
        (_file(shape="(-1,)"), "can't be read"), (_file(shape="(True, 3)"), "can't be read"),
        (_file(shape="(2**70,)"), "can't be read"), (_file(shape="'x'"), "can't be read"),
        (_file("{'x': 1}"), "can't be read"),
        (_file(data=23), "can't be read"), (_file(data=25), "holds more data"), (_file(order="True"), "Fortran order"),
        (b"", "can't be read"), (b"\x93NUMPY", "can't be read"),
    ],
)  # fmt: skip
def test_every_malformed_file_is_named_and_so_is_what_a_board_would_not_read(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ConfigError, match=reason):
        read_array(tmp_path / "x.npy")


def test_random_headers_are_read_or_named(tmp_path: Path) -> None:
    random, good = Random(0), _file()
    assert read_array_of(tmp_path, good) == (2, 3)
    for _ in range(3000):
        content = bytearray(good)
        for _ in range(random.randrange(1, 4)):
            content[random.randrange(128)] = random.randrange(256)
        read_array_of(tmp_path, bytes(content))


def read_array_of(folder: Path, content: bytes) -> tuple[int, ...] | None:
    (folder / "x.npy").write_bytes(content)
    try:
        return read_array(folder / "x.npy").shape
    except ConfigError:
        return None

"""A bundle's shared library, from C and C++: the program's bits, whatever calls it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdpass.cli.app import run as rdpass
from rdpass.core.errors import ConfigError
from rdpass.core.images import read_image
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.deploy.bundle.execution import execute
from rdpass.deploy.bundle.manifest import open_sealed
from rdpass.targets.lookup import find_target
from rdpass.targets.toolchain import find_compiler, find_launcher

HERE = Path(__file__).parent
STRICT = ("-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
KINDS = ("host_bundle", "shared_bundle", "board_bundle", "board_aot_bundle")
QUICK_TO_END = {**os.environ, "TVM_THREAD_POOL_SPIN_COUNT": "0"}


@pytest.fixture(params=KINDS)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    found: Bundle = request.getfixturevalue(request.param)
    return found


def compiled(bundle: Bundle, source: Path, program: Path) -> list[str]:
    """The command of a program in C++11, or in C99 that is linked to the library."""
    compiler = find_compiler(find_target(bundle.manifest.target["name"]))
    if source.suffix == ".c":
        words = [compiler.command.removesuffix("g++") + "gcc", "-std=c99", f"-L{bundle.folder}", "-lrdpass_network"]
        # Linked without looking for TVM's libraries, which the library finds beside itself.
        words += [f"-Wl,-rpath,{bundle.folder}", "-Wl,--allow-shlib-undefined"]
    else:
        words = [compiler.command, "-std=c++11", "-ldl"]
    command, *options = words
    subprocess.run([command, *STRICT, f"-I{bundle.folder}", source, *options, "-o", program], check=True)
    return [*find_launcher(find_target(bundle.manifest.target["name"])), str(program)]


def outputs_for(bundle: Bundle, call: list[str]) -> tuple[bytes, bytes]:
    """What a program gives for raw random inputs, and what the bundle's own program gives."""
    random = np.random.default_rng(4)
    inputs = [random.standard_normal(spec.shape).astype(spec.dtype) for spec in bundle.manifest.inputs]
    launcher = find_launcher(find_target(bundle.manifest.target["name"]))
    expected = execute(bundle.folder, bundle.manifest, launcher, inputs)
    raw = b"".join(array.tobytes() for array in inputs)
    done = subprocess.run([*call, bundle.folder], input=raw, capture_output=True, check=False, env=QUICK_TO_END)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout, b"".join(array.tobytes() for array in expected)


def test_its_example_in_cpp_gives_the_programs_bits(bundle: Bundle, tmp_path: Path) -> None:
    got, expected = outputs_for(bundle, compiled(bundle, bundle.folder / "example.cc", tmp_path / "example"))
    assert got == expected


def test_a_rough_caller_in_c_is_told_what_is_wrong_and_gets_the_bits(bundle: Bundle, tmp_path: Path) -> None:
    got, expected = outputs_for(bundle, compiled(bundle, HERE / "rough_caller.c", tmp_path / "rough_caller"))
    assert got == expected


def test_nothing_but_the_headers_functions_shows(host_bundle: Bundle, shared_bundle: Bundle) -> None:
    for bundle in (host_bundle, shared_bundle):
        command = ["nm", "-D", "--defined-only", bundle.folder / "librdpass_network.so"]
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[2::3]
        header = (bundle.folder / "rdpass_network.h").read_text()
        assert len(names) == 12
        assert all(f"{name}(" in header for name in names)


def test_a_changed_network_is_not_loaded(host_bundle: Bundle, tmp_path: Path) -> None:
    call = compiled(host_bundle, host_bundle.folder / "example.cc", tmp_path / "example")
    for name in ("model.so", "lib/libtvm_ffi.so"):
        copy = shutil.copytree(host_bundle.folder, tmp_path / name.replace("/", "_"))
        with (copy / name).open("ab") as file:
            file.write(b"\0")
        done = subprocess.run([*call, copy], capture_output=True, text=True, check=False, env=QUICK_TO_END)
        assert (done.returncode, done.stderr) == (8, f"{name} has changed since it was built; build or copy the bundle "
                                                     "again\n")  # fmt: skip


def test_a_folder_without_the_library_is_named(host_bundle: Bundle, tmp_path: Path) -> None:
    call = compiled(host_bundle, host_bundle.folder / "example.cc", tmp_path / "example")
    done = subprocess.run([*call, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 8
    assert f"{tmp_path}/librdpass_network.so: cannot open" in done.stderr


@pytest.mark.parametrize(("size", "mode"), [((40, 24), "RGB"), ((7, 90), "L"), ((15, 17), "RGB")])
def test_an_image_becomes_the_bytes_that_it_becomes_on_the_host(
    image_bundle: Bundle, tmp_path: Path, size: tuple[int, int], mode: str
) -> None:
    pixels = np.random.default_rng(size).integers(0, 256, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    image.save(tmp_path / "x.png")
    (program,) = compiled(image_bundle, HERE / "prepare_image.c", tmp_path / "prepare")
    words = [program, image_bundle.folder, *map(str, size), str(len(image.getbands()))]
    done = subprocess.run(words, input=image.tobytes(), capture_output=True, check=True, env=QUICK_TO_END)
    assert done.stdout == read_image(tmp_path / "x.png", 3, (17, 15)).tobytes()
    for wrong in (["0", "4", "3"], ["-1", "4", "3"], ["4", "4", "2"], ["65536", "1", "1"], ["65535", "65535", "1"]):
        done = subprocess.run([*words[:2], *wrong], input=b"x", capture_output=True, check=False, env=QUICK_TO_END)
        assert (done.returncode, b"an image has" in done.stderr) == (2, True)


def test_with_a_runtime_there_is_a_library_as_it_is(two_by_two_onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shared goes with the runtime none"):
        compile(two_by_two_onnx, out=tmp_path / "net.rdp", shared=True)
    with pytest.raises(ConfigError, match="no shared library is made for Android"):
        compile(two_by_two_onnx, "android-arm64", tmp_path / "net.rdp", runtime="none", shared=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_names_of_ones_own_go_with_it(two_by_two_onnx: Path, tmp_path: Path) -> None:
    folder = tmp_path / "two.rdp"
    words = ["--runtime", "none", "--shared", "--prefix", "cat", "-o", str(folder)]
    assert rdpass(["compile", str(two_by_two_onnx), *words]) == 0
    bundle = Bundle(folder, open_sealed(folder))
    got, expected = outputs_for(bundle, compiled(bundle, folder / "example.cc", tmp_path / "example"))
    assert got == expected

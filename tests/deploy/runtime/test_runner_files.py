"""The runner on bundles that somebody spoiled: it reads and loads what it was built with, and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.runner_program import RUNTIME
from rdpass.targets.lookup import find_target
from rdpass.targets.toolchain import find_launcher

KINDS = ["host_bundle", "aot_bundle"]
HASHES = """
#include <cstdio>
#include <cstdlib>
#include <vector>
#include "sha256.h"
int main(int, char** argv) {
  const size_t piece = std::strtoul(argv[1], nullptr, 10);
  rdpass::Sha256 sha;
  std::vector<char> bytes(piece);
  while (const size_t size = std::fread(bytes.data(), 1, piece, stdin)) sha.Update(bytes.data(), size);
  std::puts(sha.Finish().c_str());
}
"""


@pytest.fixture
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A fresh copy of a bundle of the kind that the test names."""
    bundle: Bundle = request.getfixturevalue(request.param)
    return Path(shutil.copytree(bundle.folder, tmp_path / "net.rdp"))


def _refuses(folder: Path, reason: str) -> None:
    """Every mode that reads something ends with exit code 8 and one line; the others work."""
    program, y = folder / "run", folder.parent / "y.npy"
    given = folder.parent / "x.npy"
    np.save(given, np.zeros((1, 3, 17, 15), np.float32))
    for words in (["--verify"], ["--bench", "1"], [given, y]):
        done = subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stdout) == (8, ""), (words, done.stderr)
        assert len(done.stderr.splitlines()) == 1
        assert reason in done.stderr
        assert not y.exists()
    assert subprocess.run([program, "--info"], stdout=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.parametrize("copy", KINDS, indirect=True)
@pytest.mark.parametrize("place", ["extra", ".hidden", "golden/extra.npy", "lib.so", "README.txt.bak"])
def test_a_file_more_is_named(copy: Path, place: str) -> None:
    (copy / place).write_bytes(b"")
    _refuses(copy, f"{place} is not part of the bundle")


@pytest.mark.parametrize("copy", KINDS, indirect=True)
def test_so_are_folders_links_pipes_and_names_that_would_clear_a_screen(copy: Path, tmp_path: Path) -> None:
    readme = copy / "README.txt"
    shutil.move(readme, tmp_path / "README.txt")
    for make in (lambda path: path.symlink_to(tmp_path / "README.txt"), os.mkfifo, Path.mkdir):
        make(readme)
        _refuses(copy, "README.txt is a link, a folder, a pipe or a device")
        readme.rmdir() if readme.is_dir() else readme.unlink()
    (copy / "photos").mkdir()
    _refuses(copy, "photos is not part of the bundle")
    (copy / "photos").rmdir()
    (copy / "\x1b[2J").write_text("")
    done = subprocess.run([copy / "run", "--verify"], capture_output=True, check=False)
    assert (done.returncode, b"\x1b" in done.stderr) == (8, False)


@pytest.mark.parametrize("copy", KINDS, indirect=True)
@pytest.mark.parametrize("name", ["golden/input_0.npy", "golden/output_0.npy"])
def test_golden_numbers_that_changed_are_no_golden_ones(copy: Path, name: str) -> None:
    content = (copy / name).read_bytes()
    for spoiled, reason in ((content[:-1] + bytes([content[-1] ^ 1]), "has changed"), (content[:-1], "has changed"),
                            (b"", "has changed"), (None, "is missing")):  # fmt: skip
        (copy / name).unlink() if spoiled is None else (copy / name).write_bytes(spoiled)
        done = subprocess.run([copy / "run", "--verify"], capture_output=True, text=True, check=False)
        assert done.returncode == 8
        assert f"{name} {reason}" in done.stderr


EVIL = """
#include <stdio.h>
__attribute__((constructor)) static void speak(void) { FILE* file = fopen("%s", "w"); if (file) fclose(file); }
"""


@pytest.fixture
def evil(tmp_path: Path) -> tuple[Path, Path]:
    """A library, and the file that it writes as soon as it is loaded."""
    (tmp_path / "evil.c").write_text(EVIL % (tmp_path / "evil code ran"))
    command = ["gcc", "-shared", "-fPIC", str(tmp_path / "evil.c"), "-o", str(tmp_path / "evil.so")]
    subprocess.run(command, check=True)
    return tmp_path / "evil.so", tmp_path / "evil code ran"


@pytest.mark.parametrize("copy", ["host_bundle"], indirect=True)
def test_another_network_is_not_loaded_whatever_the_manifest_says_of_it(copy: Path, evil: tuple[Path, Path]) -> None:
    shutil.copy(evil[0], copy / "model.so")
    _refuses(copy, "model.so has changed since it was built")
    (copy / "model.so").unlink()
    (copy / "model.so").symlink_to(evil[0])
    _refuses(copy, "model.so is a link")
    (copy / "model.so").unlink()
    _refuses(copy, "model.so is missing")
    assert not evil[1].exists()


@pytest.mark.parametrize("copy", ["host_bundle"], indirect=True)
def test_a_link_to_the_runner_of_another_folder_loads_nothing_of_that(
    copy: Path, evil: tuple[Path, Path], tmp_path: Path
) -> None:
    elsewhere = Path(shutil.copytree(copy, tmp_path / "elsewhere"))
    shutil.copy(evil[0], elsewhere / "model.so")
    (copy / "run").unlink()
    (copy / "run").symlink_to(elsewhere / "run")
    done = subprocess.run([copy / "run", "--verify"], capture_output=True, text=True, check=False)
    assert (done.returncode, evil[1].exists()) == (8, False)
    assert "model.so has changed" in done.stderr


@pytest.mark.parametrize("copy", ["host_bundle"], indirect=True)
@pytest.mark.parametrize("name", ["libtvm_runtime.so", "libtvm_ffi.so"])
def test_the_network_is_not_loaded_into_another_runtime(copy: Path, name: str) -> None:
    content = (copy / "lib" / name).read_bytes()
    (copy / "lib" / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    done = subprocess.run([copy / "run", "--bench", "1"], capture_output=True, text=True, check=False)
    assert (done.returncode, f"lib/{name} has changed" in done.stderr) == (8, True)


@pytest.mark.parametrize("copy", ["host_bundle"], indirect=True)
def test_what_was_hashed_is_what_is_loaded(copy: Path) -> None:
    """The network is opened once, and loaded by the descriptor that was hashed."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not here")
    traced = copy.parent / "trace"
    command = ["strace", "-f", "-o", traced, "-e", "trace=openat,open", copy / "run", "--verify"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    lines = traced.read_text().splitlines()
    assert sum('"model.so"' in line for line in lines) == 1
    assert not [line for line in lines if "/model.so" in line]
    assert [line for line in lines if '"/proc/self/fd/' in line]


def test_digests_are_those_of_hashlib(tmp_path: Path) -> None:
    (tmp_path / "hash.cc").write_text(HASHES)
    command = ["g++", "-std=c++17", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{RUNTIME}"]
    sources = [str(tmp_path / "hash.cc"), str(RUNTIME / "sha256.cc")]
    subprocess.run([*command, *sources, "-o", str(tmp_path / "hash")], check=True)
    random = np.random.default_rng(0)
    for size in (*range(54, 67), 0, 1, 63, 119, 120, 127, 128, 129, 1000, 100_000):
        content = random.bytes(size)
        for piece in (1 if size < 200 else 7, 64, 65, 4096):
            done = subprocess.run([tmp_path / "hash", str(piece)], input=content, capture_output=True, check=True)
            assert done.stdout.decode().strip() == hashlib.sha256(content).hexdigest(), (size, piece)


def test_a_bundle_for_a_board_is_checked_there_too(board_bundle: Bundle, tmp_path: Path) -> None:
    launcher = find_launcher(find_target(board_bundle.manifest.target["name"]))
    folder = shutil.copytree(board_bundle.folder, tmp_path / "net.rdp")
    assert subprocess.run([*launcher, folder / "run", "--verify"], capture_output=True, check=False).returncode == 0
    content = (folder / "model.so").read_bytes()
    (folder / "model.so").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    done = subprocess.run([*launcher, folder / "run", "--verify"], capture_output=True, text=True, check=False)
    assert (done.returncode, "model.so has changed" in done.stderr) == (8, True)

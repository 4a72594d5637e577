"""One changed byte anywhere in a bundle is found before anything of the bundle is loaded or run."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rdpass.core.errors import IntegrityError
from rdpass.core.files import file_digest
from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.execution import execute
from rdpass.deploy.bundle.manifest import open_sealed, seal
from rdpass.deploy.bundle.runner import load
from rdpass.deploy.bundle.verification import verify

FILES = (
    "manifest.json",
    "SHA256SUMS",
    "README.txt",
    "model.so",
    "run",
    "lib/libtvm_runtime.so",
    "lib/libtvm_ffi.so",
    "librdpass_network.so",
    "rdpass_network.h",
    "rdpass_network.hpp",
    "example.cc",
    "golden/input_0.npy",
    "golden/output_0.npy",
)

# Loads a bundle, and says which error came and whether anything of the bundle was mapped into the process by then.
LOADS = """
import sys
from rdpass.core.errors import IntegrityError
from rdpass.deploy.bundle.runner import load
try:
    load(sys.argv[1])
except IntegrityError as error:
    print("refused" if "model.so" not in open("/proc/self/maps").read() else "loaded first")
else:
    print("taken" if "model.so" in open("/proc/self/maps").read() else "taken from elsewhere")
"""


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def _load_elsewhere(folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", LOADS, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def nothing_may_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*arguments: object) -> None:
        pytest.fail("something of a spoiled bundle was run")

    monkeypatch.setattr("rdpass.deploy.bundle.verification.execute", run)
    monkeypatch.setattr("rdpass.deploy.bundle.runner.Runner.__init__", run)


@pytest.mark.usefixtures("nothing_may_run")
@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_in_any_file_is_found(spoiled: Callable[[], Path], name: str) -> None:
    size = (spoiled() / name).stat().st_size
    for at in (0, size // 2, size - 1):
        folder = spoiled()
        _flip(folder / name, at)
        for use in (load, verify):
            with pytest.raises(IntegrityError, match=name.rpartition("/")[2]):
                use(folder)


def test_one_flipped_bit_anywhere_in_the_manifest_is_found(host_bundle: Bundle, tmp_path: Path) -> None:
    original = (host_bundle.folder / "manifest.json").read_bytes()
    for at in range(0, len(original), 7):
        (tmp_path / "manifest.json").write_bytes(original)
        _flip(tmp_path / "manifest.json", at)
        with pytest.raises(IntegrityError, match=r"manifest\.json"):
            open_sealed(tmp_path)


def test_a_spoiled_library_is_refused_before_it_is_mapped_into_the_process(spoiled: Callable[[], Path]) -> None:
    assert _load_elsewhere(spoiled()) == "taken"
    folder = spoiled()
    _flip(folder / "model.so", -1)
    assert _load_elsewhere(folder) == "refused"


@pytest.mark.usefixtures("nothing_may_run")
@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found(spoiled: Callable[[], Path], name: str) -> None:
    folder = spoiled()
    (folder / name).unlink()
    with pytest.raises(IntegrityError, match=name):
        load(folder)


@pytest.mark.usefixtures("nothing_may_run")
@pytest.mark.parametrize("name", ["extra", "lib/libc.so.6", "golden/.hidden"])
def test_an_added_file_is_found(spoiled: Callable[[], Path], name: str) -> None:
    folder = spoiled()
    (folder / name).write_bytes(b"")
    with pytest.raises(IntegrityError, match=f"{name} is not part of the bundle"):
        load(folder)


@pytest.mark.usefixtures("nothing_may_run")
@pytest.mark.parametrize("size", [0, 1, 100, -2])
def test_a_truncated_manifest_is_found(spoiled: Callable[[], Path], size: int) -> None:
    folder = spoiled()
    text = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json").write_bytes(text[:size])
    with pytest.raises(IntegrityError, match=r"manifest\.json is damaged"):
        load(folder)


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"sha256": ""}', "\xff"])
def test_a_manifest_of_another_form_is_found(spoiled: Callable[[], Path], text: str) -> None:
    folder = spoiled()
    (folder / "manifest.json").write_text(text, "latin-1")
    with pytest.raises(IntegrityError, match=r"manifest\.json is damaged"):
        load(folder)


def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "none", tmp_path / "file"):
        with pytest.raises(IntegrityError, match="is not a bundle"):
            load(place)


def test_a_bundle_for_another_cpu_is_refused(host_bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "foreign.rdp"
    shutil.copytree(host_bundle.folder, folder)
    manifest = open_sealed(folder)
    manifest.target["triple"] = "riscv64-linux-gnu"
    seal(folder, manifest)
    with pytest.raises(IntegrityError, match="for another CPU: riscv64"):
        load(folder)


def test_a_bundle_that_uses_what_this_cpu_lacks_is_refused(
    host_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "newer.rdp"
    shutil.copytree(host_bundle.folder, folder)
    manifest = open_sealed(folder)
    manifest.target["features"] = ["fpu", "sve"]
    seal(folder, manifest)
    monkeypatch.setattr("rdpass.deploy.bundle.runner.cpu_features", lambda: frozenset({"fpu"}))
    with pytest.raises(IntegrityError, match="this one has no sve"):
        load(folder)


def test_a_board_without_python_finds_a_changed_byte(spoiled: Callable[[], Path]) -> None:
    folder = spoiled()
    check = ["sha256sum", "-c", "--quiet", "SHA256SUMS"]
    assert subprocess.run(check, cwd=folder, capture_output=True, check=False).returncode == 0
    for name in set(FILES) - {"SHA256SUMS"}:
        _flip(folder / name, -1)
        done = subprocess.run(check, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stdout == f"{name}: FAILED\n"
        _flip(folder / name, -1)


def test_a_copied_bundle_is_still_one(spoiled: Callable[[], Path]) -> None:
    folder = spoiled()
    (folder / "run").chmod(0o755)
    assert json.loads((folder / "manifest.json").read_text())["sha256"]
    assert verify(folder).error <= 1e-5


EVIL = """
#include <stdio.h>
__attribute__((constructor)) static void speak(void) { FILE* file = fopen("%s", "w"); if (file) fclose(file); }
"""


@pytest.fixture
def evil(tmp_path: Path) -> tuple[Path, Path]:
    """A library, and the file that it writes as soon as it is loaded."""
    wrote = tmp_path / "evil code ran"
    (tmp_path / "evil.c").write_text(EVIL % wrote)
    command = ["gcc", "-shared", "-fPIC", str(tmp_path / "evil.c"), "-o", str(tmp_path / "evil.so")]
    subprocess.run(command, check=True)
    return tmp_path / "evil.so", wrote


def _reseal(folder: Path, **fields: object) -> None:
    """Write a manifest with other fields, and everything about it that a careful forger would write."""
    body = {**json.loads((folder / "manifest.json").read_text()), **fields, "sha256": ""}
    body["sha256"] = hashlib.sha256((json.dumps(body, indent=1, sort_keys=True) + "\n").encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(body, indent=1, sort_keys=True) + "\n")
    digests = {**body["files"], "manifest.json": file_digest(folder / "manifest.json")}
    (folder / "SHA256SUMS").write_text("".join(f"{value}  {name}\n" for name, value in sorted(digests.items())))


def _all_refuse(folder: Path, reason: str) -> None:
    """``verify``, ``run``, ``bench`` and ``load`` end with exit code 8 and one line."""
    given = str(folder / "golden/input_0.npy")
    for words in (["verify", str(folder)], ["run", str(folder), given], ["bench", str(folder), "--runs", "1"]):
        done = subprocess.run(
            [sys.executable, "-m", "rdpass", *words], capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 8, (words, done.stderr)
        assert len(done.stderr.splitlines()) == 1
        assert reason in done.stderr
    with pytest.raises(IntegrityError, match=re.escape(reason)):
        load(folder)


def test_a_runner_that_is_a_link_to_identical_bytes_beside_another_network_is_not_run(
    spoiled: Callable[[], Path], evil: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, elsewhere = spoiled(), tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    shutil.copy(evil[0], elsewhere / "model.so")
    (folder / "run").unlink()
    (folder / "run").symlink_to(elsewhere / "run")
    _all_refuse(folder, "run is a link, and a bundle holds files alone")
    assert not evil[1].exists()


@pytest.mark.parametrize("name", ["../evil.so", "lib/../../evil.so", "/ABSOLUTE/evil.so", "model.so/../../evil.so", ""])
@pytest.mark.parametrize("listed", [True, False])
def test_a_manifest_that_fits_and_names_what_lies_elsewhere_loads_nothing(
    spoiled: Callable[[], Path], evil: tuple[Path, Path], name: str, listed: bool
) -> None:
    folder = spoiled()
    name = name.replace("/ABSOLUTE", str(evil[0].parent))
    files = json.loads((folder / "manifest.json").read_text())["files"]
    _reseal(folder, library=name, files={**files, **({name: file_digest(evil[0])} if listed else {})})
    for use in (load, verify):
        with pytest.raises(IntegrityError, match=r"manifest\.json is damaged"):
            use(folder)
    assert not evil[1].exists()


def test_a_library_that_is_not_listed_is_not_loaded(spoiled: Callable[[], Path], evil: tuple[Path, Path]) -> None:
    folder = spoiled()
    shutil.copy(evil[0], folder / "evil.so")
    _reseal(folder, library="evil.so")
    _all_refuse(folder, "'evil.so' is used and not listed")
    assert not evil[1].exists()


def test_what_is_loaded_is_what_was_hashed_whatever_happens_in_between(
    spoiled: Callable[[], Path], evil: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = spoiled()

    def spoil_first(*arguments: Any, **options: Any) -> Any:
        for name in ("model.so", "run", "lib/libtvm_runtime.so"):
            shutil.copy(evil[0], folder / name)
        return execute(*arguments, **options)

    monkeypatch.setattr("rdpass.deploy.bundle.verification.execute", spoil_first)
    assert verify(folder).error <= 1e-5
    assert not evil[1].exists()
    _all_refuse(folder, "has changed since it was built")


@pytest.mark.parametrize("name", FILES)
def test_links_pipes_and_devices_are_found_and_nothing_waits_for_them(
    spoiled: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shutil.copytree(spoiled(), tmp_path / "good")

    def bind(path: Path) -> None:
        monkeypatch.chdir(path.parent)  # a socket's name is short
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)

    for kind, make in (
        ("a link", lambda path: path.symlink_to(tmp_path / "good" / name)),
        ("a link", lambda path: path.symlink_to("/dev/zero")),
        ("a link", lambda path: path.symlink_to("nowhere")),
        ("a pipe", os.mkfifo),
        ("a folder", Path.mkdir),
        ("a socket", bind),
    ):
        folder = spoiled()
        (folder / name).unlink()
        make(folder / name)
        with pytest.raises(IntegrityError, match=f"{name}.*({kind}|not part of)"):
            open_sealed(folder)


@pytest.mark.parametrize("name", ["golden", "lib"])
def test_a_folder_that_is_a_link_is_found(spoiled: Callable[[], Path], tmp_path: Path, name: str) -> None:
    folder = spoiled()
    shutil.move(folder / name, tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(IntegrityError, match=f"{name}.* (is not part of the bundle|is missing)"):
        open_sealed(folder)


@pytest.mark.parametrize("name", ["photos", "golden/deep", "lib/deep/deeper"])
def test_an_added_folder_is_found_even_an_empty_one(spoiled: Callable[[], Path], name: str) -> None:
    folder = spoiled()
    (folder / name).mkdir(parents=True)
    with pytest.raises(IntegrityError, match=r"the folder .* is not part of the bundle"):
        open_sealed(folder)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, '{"files": {"a": "%s"}}' % ("9" * 9999), "1" * 9999])
def test_manifests_that_are_nested_or_long_are_damaged_ones(spoiled: Callable[[], Path], text: str) -> None:
    folder = spoiled()
    (folder / "manifest.json").write_text(text)
    with pytest.raises(IntegrityError, match=r"manifest\.json is damaged"):
        open_sealed(folder)


def test_a_place_that_is_no_folder_is_no_bundle(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("none")
    for place in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero"), Path("/dev/null/x")):
        with pytest.raises(IntegrityError, match="is not a bundle"):
            open_sealed(place)


def test_golden_files_that_do_not_fit_are_found_before_they_are_unpacked(spoiled: Callable[[], Path]) -> None:
    """A header that speaks of gigabytes, object arrays, other shapes: resealed, so that every byte hashes right."""
    folder = spoiled()
    good = (folder / "golden/input_0.npy").read_bytes()
    manifest = open_sealed(folder)
    for content in (
        good.replace(b"(1, 3, 17, 15), }    ", b"(999999999, 3, 17), }"), good[:40], b"", good[:-1],
        _npy(np.array([{"a": 1}], object)), _npy(np.zeros((1, 3, 17, 16), np.float32)), _npy(np.zeros((1, 3, 17, 15))),
    ):  # fmt: skip
        (folder / "golden/input_0.npy").write_bytes(content)
        seal(folder, manifest)
        with pytest.raises(IntegrityError, match=r"golden/input_0\.npy"):
            verify(folder)


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()

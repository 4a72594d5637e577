"""One changed byte anywhere in a bundle is found before anything of the bundle is loaded or run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rdpass.core.errors import IntegrityError
from rdpass.deploy.bundle.building import Bundle
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
    print("refused" if sys.argv[1] not in open("/proc/self/maps").read() else "loaded first")
else:
    print("taken" if sys.argv[1] in open("/proc/self/maps").read() else "taken from elsewhere")
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

"""Libraries of different prefixes share a program; a prefix that is none is refused before anything is built."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rdpass.cli.app import run as rdpass
from rdpass.core.errors import ConfigError
from rdpass.deploy.aot.names import PREFIX, PUBLIC, named
from rdpass.deploy.bundle import building
from rdpass.deploy.bundle.building import Bundle, compile
from rdpass.deploy.bundle.manifest import open_sealed
from rdpass.deploy.bundle.verification import verify
from tests.deploy.aot.test_library import HERE, STRICT, compile_with, golden_bytes, run_with, written_bytes


@pytest.fixture(scope="module")
def cat(residual_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return compile(residual_onnx, out=tmp_path_factory.mktemp("cat") / "cat.rdp", runtime="none", prefix="cat")


def _shown(library: Path) -> set[str]:
    printed = subprocess.run(["nm", "-g", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return {line.split()[-1] for line in printed.splitlines() if line and not line.endswith(":")}


def test_two_networks_in_one_program_give_the_bits_that_each_gives_alone(
    cat: Bundle, two_by_two_onnx: Path, tmp_path: Path
) -> None:
    out = tmp_path / "dog.rdp"
    assert rdpass(["compile", str(two_by_two_onnx), "--runtime", "none", "--prefix", "Dog2", "-o", str(out)]) == 0
    dog = Bundle(out, open_sealed(out))
    libraries = [bundle.folder / bundle.manifest.library for bundle in (cat, dog)]
    assert [path.name for path in libraries] == ["libcat.a", "libDog2.a"]
    words = (*STRICT, f"-I{dog.folder}", HERE / "two.c", *libraries, "-lm")
    program = compile_with(cat, tmp_path / "two", *words)
    got = run_with(cat, program, given=golden_bytes(cat, "inputs") + golden_bytes(dog, "inputs"))
    assert got == written_bytes(cat, tmp_path) + written_bytes(dog, tmp_path)


def test_all_names_and_files_begin_with_it_and_the_rest_is_as_without(cat: Bundle, aot_bundle: Bundle) -> None:
    assert _shown(cat.folder / "libcat.a") == {f"cat_{name}" for name in PUBLIC}
    assert verify(cat.folder).error <= 1e-5
    for name in ("cat.h", "example.c"):
        usual = (aot_bundle.folder / ("rdpass_model.h" if name == "cat.h" else name)).read_text()
        assert (cat.folder / name).read_text() == named(usual, "cat")
    readme = (cat.folder / "README.txt").read_text()
    assert "cat.h says how, example.c does it, libcat.a is to be linked" in readme
    assert PREFIX not in readme
    assert cat.manifest.planned_activation_bytes == aot_bundle.manifest.planned_activation_bytes


BAD = ("", "9lives", "a-b", "a b", "_a", "a__b", "int", "class", "main", "é", "a" * 65, "../a", "rdpass", "rdpass_0")


@pytest.mark.parametrize("prefix", BAD)
def test_what_c_or_cplusplus_does_not_take_as_a_name_is_refused(
    residual_onnx: Path, tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "build", lambda *arguments: pytest.fail("the slow part began"))
    with pytest.raises(ConfigError, match="is no prefix for names in C"):
        compile(residual_onnx, out=tmp_path / "a", runtime="none", prefix=prefix)
    assert not (tmp_path / "a").exists()


def test_with_the_virtual_machine_a_prefix_is_refused(residual_onnx: Path, tmp_path: Path) -> None:
    assert rdpass(["compile", str(residual_onnx), "--prefix", "cat", "-o", str(tmp_path / "a")]) == 2

"""What the doctor looks for, and what it says where something is missing."""

from __future__ import annotations

import platform
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from rdpass import diagnosis
from rdpass.diagnosis import PINS, Finding, diagnose


def test_tvm_is_the_version_that_the_project_is_pinned_to() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    for name, wanted in PINS.items():
        assert f"{name}=={wanted}" in project["dependencies"]
        assert version(name) == wanted


def test_the_doctor_names_what_is_missing_and_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("RDPASS_CACHE", str(tmp_path))
    monkeypatch.setenv("RDPASS_STB", str(tmp_path))
    missing = {finding.need: finding.detail for finding in diagnose() if not finding.present}
    assert "apt install g++" in missing[f"C++ compiler for {platform.machine()}"]
    if platform.machine() != "aarch64":
        assert "apt install g++-aarch64-linux-gnu" in missing["C++ compiler for aarch64"]
        assert "apt install qemu-user" in missing["emulator for aarch64"]
        assert "rdpass doctor --fetch-runtime rpi4" in missing["TVM runtime for aarch64"]
    assert "apt install libstb-dev" in missing["JPEG and PNG in ./run"]
    assert not missing.keys() & PINS.keys()


def test_extras_are_listed_with_what_they_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["numpy", 'pytest; extra == "train"', "no-such-package>=2 ; extra == 'viz'", 'ruff; extra == "dev"']
    monkeypatch.setattr(diagnosis, "requires", lambda name: wanted if name == "rdpass" else None)
    extras = [finding for finding in diagnose() if finding.need.startswith("extra")]
    assert extras == [
        Finding("extra train", True, "pytest"),
        Finding("extra viz", False, "no-such-package not installed; pip install 'rdpass[viz]'"),
    ]


def test_without_an_installed_package_no_extra_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(diagnosis, "requires", requires)
    assert not any(finding.need.startswith("extra") for finding in diagnose())

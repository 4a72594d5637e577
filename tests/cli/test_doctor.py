"""``rdpass doctor``: findings as a table and as JSON; it downloads nothing unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rdpass import diagnosis
from rdpass.cli.app import run
from rdpass.deploy.bundle import runtime_libraries
from rdpass.targets.target import Target


def test_the_table_and_the_json_say_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    findings = json.loads(capfd.readouterr().out)
    assert {"need", "present", "detail"} == findings[0].keys()
    assert run(["doctor"]) == 0
    shown = " ".join(capfd.readouterr().out.split())
    for finding in findings:
        assert f"{finding['need']} {'ok' if finding['present'] else 'missing'}" in shown


def test_what_is_missing_is_no_failure_and_comes_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = diagnosis.Finding("an emulator", False, "pip install 'rdpass[zoo]'")
    monkeypatch.setattr(diagnosis, "diagnose", lambda: (missing,))
    assert run(["doctor"]) == 0
    assert "an emulator missing pip install 'rdpass[zoo]'" in " ".join(capfd.readouterr().out.split())


def test_libraries_are_fetched_for_the_target_that_was_named_and_said_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def fetch(target: Target) -> list[Path]:
        asked.append(target.name)
        return [Path("libs/libtvm_runtime.so")]

    monkeypatch.setattr(runtime_libraries, "fetch_libraries", fetch)
    assert run(["doctor", "--json"]) == 0
    assert asked == []
    capfd.readouterr()
    assert run(["doctor", "--fetch-runtime", "rpi4", "--json"]) == 0
    shown = capfd.readouterr()
    assert asked == ["rpi4"]
    assert "libtvm_runtime.so for rpi4: ready" in shown.err
    assert json.loads(shown.out)


def test_libraries_for_an_unknown_target_are_not_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--fetch-runtime", "rpi9"]) == 6
    assert "no target is called" in capfd.readouterr().err

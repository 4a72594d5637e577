"""A bundle's runner as another program: what it is given, and how its failures are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rdpass.core.errors import DeviceError, IntegrityError
from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.execution import RUNNER, execute, run_for_text


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A folder; what is written to its runner is a script."""
    (tmp_path / RUNNER).touch(0o755)
    return tmp_path


def script(folder: Path, text: str) -> Path:
    (folder / RUNNER).write_text(f"#!/bin/sh\n{text}\n")
    return folder


def test_arguments_go_to_the_runner_as_they_are_and_its_words_come_back(runner: Path) -> None:
    script(runner, 'for word; do echo "[$word]"; done')
    assert run_for_text(runner, (), ["a b", "", "$HOME", "*"]) == "[a b]\n[]\n[$HOME]\n[*]\n"


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("echo 'run: no avx' >&2; exit 8", IntegrityError, ": no avx$"),
        ("echo broken >&2; exit 3", DeviceError, "run failed with exit code 3: broken"),
        ("exit 1", DeviceError, "exit code 1: it said nothing"),
        ("kill -SEGV $$", DeviceError, r"crashed \(SIGSEGV\)"),
    ],
)
def test_a_failure_is_told_with_what_it_said(runner: Path, text: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        run_for_text(script(runner, text), (), [])


def test_a_runner_that_can_not_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="run can't be started: No such file"):
        run_for_text(tmp_path, (), [])
    (tmp_path / RUNNER).write_text("#!/bin/sh\n")
    with pytest.raises(DeviceError, match="run can't be started: Permission denied"):
        run_for_text(tmp_path, (), [])


def test_the_callers_library_path_is_kept_away_and_threads_do_not_spin_under_an_emulator(
    runner: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/somewhere")
    monkeypatch.delenv("TVM_THREAD_POOL_SPIN_COUNT", raising=False)
    script(runner, 'echo "$LD_LIBRARY_PATH,$TVM_THREAD_POOL_SPIN_COUNT"')
    assert run_for_text(runner, (), []) == ",\n"
    assert run_for_text(runner, ("sh",), []) == ",0\n"
    monkeypatch.setenv("TVM_THREAD_POOL_SPIN_COUNT", "7")
    assert run_for_text(runner, ("sh",), []) == ",7\n"


def test_outputs_are_those_that_the_bundle_writes_whatever_the_layout_of_the_inputs(host_bundle: Bundle) -> None:
    folder, manifest = host_bundle.folder, host_bundle.manifest
    given = [np.load(folder / name) for name in manifest.golden["inputs"]]
    (plain,) = execute(folder, manifest, (), given)
    (turned,) = execute(folder, manifest, (), [np.asfortranarray(value) for value in given])
    assert np.array_equal(plain, turned)
    assert plain.shape == manifest.outputs[0].shape

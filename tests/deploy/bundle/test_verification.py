"""``verify``: what it says of a bundle that computes something else, can't be run, or names no target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rdpass.core.errors import DeviceError, IntegrityError, ParityError, TargetError
from rdpass.deploy.bundle.building import Bundle
from rdpass.deploy.bundle.verification import target_of, verify
from rdpass.targets.lookup import host_target


def test_verify_says_when_the_output_differs(host_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "rdpass.deploy.bundle.verification.execute", lambda *arguments, **options: (np.zeros((1, 5), np.float32),)
    )
    with pytest.raises(ParityError, match="bundle: output 0 differs"):
        verify(host_bundle.folder)


def test_verify_says_when_there_is_no_emulator(board_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TargetError, match=r"no emulator for rpi4: .*apt install qemu-user"):
        verify(board_bundle.folder)


def test_verify_says_when_the_runner_crashes(host_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rdpass.deploy.bundle.verification.find_launcher", lambda target: ("sh", "-c", "kill -SEGV $$"))
    with pytest.raises(DeviceError, match=r"crashed \(SIGSEGV\)"):
        verify(host_bundle.folder)


def test_the_gate_is_the_bundles_own_unless_another_is_asked_for(host_bundle: Bundle) -> None:
    gate = verify(host_bundle.folder)
    assert (gate.name, gate.tolerance) == ("bundle", host_bundle.manifest.golden["tolerance"])
    assert verify(host_bundle.folder, tolerance=1e-2).tolerance == 1e-2
    with pytest.raises(ParityError):
        verify(host_bundle.folder, tolerance=-1.0)


@pytest.mark.parametrize("spoil", [lambda target: {}, lambda target: {**target, "colour": 1},
                                   lambda target: {**target, "features": None}])  # fmt: skip
def test_a_manifest_that_names_no_target_is_refused(host_bundle: Bundle, spoil: Any) -> None:
    assert target_of(host_bundle.manifest) == host_target()
    with pytest.raises(IntegrityError, match="names no target that this version knows"):
        target_of(replace(host_bundle.manifest, target=spoil(host_bundle.manifest.target)))

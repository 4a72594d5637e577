"""``make demo`` itself, on few images: with the board's tools, and where they are missing."""

import json
import sys

import pytest

from benchmarks import demo


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["", "no emulator for rpi4"])
def test_the_demo_ends_with_its_table_or_with_what_it_goes_on_without(monkeypatch, capfd, tmp_path, missing):
    found = demo.missing_for_board() or missing
    monkeypatch.setattr(demo, "DATA", "tests.test_road:few_images")
    monkeypatch.setattr(demo, "missing_for_board", lambda: found)
    monkeypatch.setattr(sys, "argv", ["demo", "--epochs", "1", "--out", str(tmp_path / "out")])
    demo.main()
    printed = capfd.readouterr().out
    board = "host" if found else "rpi4"
    assert f"ResNet-20, {board}" in printed
    assert (f"not built for rpi4: {found}" in printed) == bool(found)
    assert (tmp_path / "out" / f"student-{board}.rdp" / "manifest.json").exists()
    shortcuts = next(line.split() for line in printed.splitlines() if line.strip().startswith("shortcuts"))
    assert shortcuts == ["shortcuts", "9", "0", "0"]
    kernels = json.loads((tmp_path / "out" / f"student-int8-{board}.rdp" / "manifest.json").read_text())["kernels"]
    assert {kernel["name"][:3] for kernel in kernels} == {"u8_" if found else "s8_"}

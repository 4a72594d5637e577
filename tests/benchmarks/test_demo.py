"""``make demo`` itself, on few images: with the board's tools, and where they are missing."""

import json
import sys

import pytest

from benchmarks import demo


@pytest.mark.slow
def test_the_demo_ends_with_its_table_or_with_what_it_goes_on_without(monkeypatch, capfd, tmp_path):
    out, found = tmp_path / "out", demo.missing_for_board()
    monkeypatch.setattr(demo, "DATA", "tests.test_road:few_images")
    monkeypatch.setattr(sys, "argv", ["demo", "--epochs", "1", "--out", str(out)])
    monkeypatch.setattr(demo, "missing_for_board", lambda: found)
    demo.main()
    check(capfd.readouterr().out, out, found)

    run = demo.rdpass

    def run_what_is_new(*arguments):
        """Only commands whose output is not there yet: what lies in the folder was made by the same ones."""
        if "-o" in arguments and not arguments[arguments.index("-o") + 1].exists():
            run(*arguments)

    monkeypatch.setattr(demo, "rdpass", run_what_is_new)
    monkeypatch.setattr(demo, "missing_for_board", lambda: "no emulator for rpi4")
    demo.main()
    check(capfd.readouterr().out, out, "no emulator for rpi4")


def check(printed, out, missing):
    board = "host" if missing else "rpi4"
    assert f"ResNet-20, {board}" in printed
    assert (f"not built for rpi4: {missing}" in printed) == bool(missing)
    assert (out / f"student-{board}.rdp" / "manifest.json").exists()
    shortcuts = next(line.split() for line in printed.splitlines() if line.strip().startswith("shortcuts"))
    assert shortcuts == ["shortcuts", "9", "0", "0"]
    kernels = json.loads((out / f"student-int8-{board}.rdp" / "manifest.json").read_text())["kernels"]
    assert {kernel["name"][:3] for kernel in kernels} == {"u8_" if missing else "s8_"}

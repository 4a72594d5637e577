"""``make demo`` itself, on few images: with the board's tools, and where they are missing."""

import json
import re
import sys

import pytest
import torch
from torch import nn

from benchmarks import demo
from benchmarks.fashion_mnist.bottleneck20 import WEIGHTS, trained
from benchmarks.fashion_mnist.data import loaders
from rdpass.capture.trace import trace
from rdpass.onnx.export import draft_onnx
from rdpass.onnx.source import read_onnx
from rdpass.training.evaluation import accuracy

TRAINED = 89.15  # per cent of the held-out images, as train.py printed it
PER_CENT = re.compile(r"\(([+-]\d+) %\)")


def test_the_shipped_network_is_as_accurate_as_its_training_said():
    assert accuracy(trained(), loaders()[1]) == pytest.approx(TRAINED, abs=0.2)
    assert WEIGHTS.stat().st_size <= 3e6


@pytest.mark.slow
def test_what_a_network_costs_on_a_board_is_the_same_beside_another_board(monkeypatch):
    layers = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000)
    )  # a kernel of another tile there
    traced = trace(layers.eval(), torch.randn(1, 2048, 7, 7))
    networks = [read_onnx(draft_onnx(traced.module, traced.example))] * 3
    both = demo.costs(networks)
    monkeypatch.setattr(demo, "BOARDS", ("rpi5",))
    alone = demo.costs(networks)
    assert [cost["rpi5"] for cost in both] == [cost["rpi5"] for cost in alone]
    assert both[2]["rpi4"].cycles > both[2]["rpi5"].cycles


@pytest.mark.slow
def test_the_demo_ends_with_its_table_or_with_what_it_goes_on_without(monkeypatch, capfd, tmp_path):
    out, found = tmp_path / "out", demo.missing_for_board()
    monkeypatch.setattr(demo, "DATA", "tests.test_road:few_images")
    monkeypatch.setattr(sys, "argv", ["demo", "--epochs", "1", "--out", str(out)])
    monkeypatch.setattr(demo, "missing_for_board", lambda: found)
    monkeypatch.setattr(demo, "large_networks", lambda: small_files(out))
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


def small_files(out):
    """The network's own files in the place of the large network's, whose account takes most of a minute."""
    plain = demo.read_onnx(out / "student.onnx")
    return demo.read_onnx(out / "teacher.onnx"), plain, plain


def check(printed, out, missing):
    board = "host" if missing else "rpi4"
    assert (f"not built for rpi4: {missing}" in printed) == bool(missing)
    for net, kind in (("student", "f32_"), ("student-int8", "u8_" if missing else "s8_")):
        built = json.loads((out / f"{net}-{board}.rdp" / "manifest.json").read_text())
        assert {kernel["name"].removeprefix("x")[: len(kind)] for kernel in built["kernels"]} == {kind}
    lines = printed.splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith(" one inference"))
    table = [line for line in lines[first:] if line.strip().startswith(demo.NETWORKS)]
    model, plain, int8, *large = ([*map(int, PER_CENT.findall(line))] for line in table)
    assert (model, len(large)) == ([], 3)
    assert all(figure < 0 for figure in (*plain, *int8)), "less time and less memory on every board"
    assert plain[1] <= -40, "the peak, from removal alone"
    assert all(after <= before - 10 for before, after in zip(plain, int8, strict=True)), "and int8's gain on top"
    assert [line.count("±") for line in table] == [1, 2, 2, 0, 0, 0]

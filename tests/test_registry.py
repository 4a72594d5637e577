"""A package that brings a recipe, a loss, a target and a runtime: used from Python and from the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import onnx
import pytest
import torch

import rdpass
from rdpass.cli.app import run
from rdpass.core.errors import ConfigError
from rdpass.training.config import DistillConfig
from tests.cli.given import INPUT, RESNET, failure
from tests.data import batches
from tests.deploy.conftest import residual_net
from tests.models import seeded, small_resnet_of_four

ROOT = Path(__file__).parent.parent
X = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
DATA = ("--data", "tests.cli.given:data", "--epochs", "1")
PAGE = (ROOT / "docs" / "extending" / "package.md").read_text()


def block(language: str) -> str:
    """The code of the page's only block that begins so."""
    (code,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)
    return code


def install(folder: Path, name: str, source: str, points: str) -> None:
    (folder / f"{name}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty folder that this process and its children find packages in; what they register is forgotten after."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))
    for name in rdpass.registry.__all__:
        registry = getattr(rdpass.registry, name)
        monkeypatch.setattr(registry, "_known", dict(registry._known))
    yield folder
    sys.modules.pop("tinyplugin", None)


@pytest.fixture
def plugin(site):
    """The package of the page."""
    groups = tomllib.loads(block("toml"))["project"]["entry-points"]
    points = "".join(f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
                     for group, entries in groups.items())  # fmt: skip
    install(site, "tinyplugin", block("python tinyplugin"), points)


@pytest.mark.usefixtures("plugin")
def test_python_finds_the_recipes_the_loss_and_the_distance_of_a_package():
    model = seeded(small_resnet_of_four)
    carried = rdpass.convert(model, X, recipe="dearest", max_macs=1.0)
    assert (carried.recipe, [outcome.how for outcome in carried.outcomes]) == ("dearest", ["carried", "carried"])
    config = DistillConfig(epochs=1, alpha=0.5)
    named, given = (
        rdpass.convert(
            model, X, recipe="gentle", train=batches(2), validate=batches(1), config=config, show_progress=False,
            loss=loss, distance=distance,
        )
        for loss, distance in (
            ("smooth", "absolute"),
            (rdpass.registry.losses.find("smooth"), rdpass.registry.distances.find("absolute")),
        )
    )  # fmt: skip
    assert named.history == given.history
    assert {"validation_loss", "loss.task", "loss.teacher"} <= named.history[0].keys()
    plain = rdpass.convert(model, X, recipe="gentle", train=batches(2), config=config, show_progress=False)
    assert plain.history[0]["loss"] != named.history[0]["loss"]
    with pytest.raises(ConfigError, match="recipe gentle trains: give it data"):
        rdpass.convert(model, X, recipe="gentle")


@pytest.mark.usefixtures("plugin")
def test_the_command_converts_with_the_recipe_and_loss_of_a_package(tmp_path, capsys):
    out = tmp_path / "run"
    command = ["convert", RESNET, *DATA, "--recipe", "gentle", "--loss", "smooth", "--distance", "absolute"]
    assert run([*command, "-o", str(out), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["recipe"], summary["shortcuts_after"]) == ("gentle", 0)
    settings = json.loads((out / "conversion.json").read_text())["config"]
    assert (settings["loss"], settings["distance"], settings["train"]["lr"]) == ("smooth", "absolute", 0.001)
    again = ["convert", RESNET, *DATA[:2], "--config", str(out / "config.toml"), "-o", str(tmp_path / "again")]
    assert run(again) == 0
    assert (tmp_path / "again" / "config.toml").read_text() == (out / "config.toml").read_text()
    capsys.readouterr()
    assert run([*command, "-o", str(tmp_path / "dry"), "--dry-run"]) == 0
    assert "removed by gentle" in capsys.readouterr().out
    for extra, message in (
        ("--loss", "; did you mean smooth?"),
        ("--recipe", "unknown recipe 'smoth'; there are auto, merge"),
    ):
        for words in ((), ("--dry-run",)):
            code, line = failure(capsys, "convert", RESNET, *DATA, extra, "smoth", "-o", tmp_path / "none", *words)
            assert (code, message in line) == (2, True), line


@pytest.mark.usefixtures("plugin")
def test_a_target_and_a_runtime_of_a_package_build_and_compare(tmp_path, capfd):
    onnx.save(residual_net(), tmp_path / "net.onnx")
    bundle = rdpass.compile(tmp_path / "net.onnx", "tinyboard", tmp_path / "net.rdp", show_progress=False)
    assert bundle.manifest.target["name"] == "tinyboard"
    assert rdpass.inspect(seeded(small_resnet_of_four), X, target="tinyboard").forecast.target == "tinyboard"
    words = ["--onnx", str(tmp_path / "net.onnx"), "--runs", "3", "--json"]
    capfd.readouterr()
    assert run(["bench", str(bundle.folder), "--vs", "tinyrt", *words]) == 0
    rows = json.loads(capfd.readouterr().out)["rows"]
    assert [(row["runtime"], row["reason"]) for row in rows] == [("rdpass", None), ("tinyrt", None)]
    assert rows[1]["median_ms"] > 0
    assert run(["bench", str(bundle.folder), "--vs", "tinyr", *words]) == 2
    assert (
        "no runtime is called tinyr; known are ort, onnxruntime, ncnn, mnn, openvino, tinyrt; did you mean tinyrt?"
        in (capfd.readouterr().err)
    )


@pytest.mark.usefixtures("plugin")
def test_the_installed_command_lists_the_targets_of_a_package_after_ours():
    done = subprocess.run([sys.executable, "-m", "rdpass", "targets", "--json"], capture_output=True, check=True)
    names = [target["name"] for target in json.loads(done.stdout)]
    assert (names[0], names[-1]) == ("host", "tinyboard")
    done = subprocess.run(
        [sys.executable, "-m", "rdpass", "inspect", RESNET, *INPUT, "--target", "tinyboard", "--json"],
        capture_output=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert json.loads(done.stdout)["forecast"]["target"] == "tinyboard"


def test_a_package_that_cannot_be_imported_is_one_line_and_hides_nothing_else(site, capsys):
    install(site, "halfplugin", "import no_such_library\n", "[rdpass.targets]\nhalfboard = halfplugin:board\n")
    code, line = failure(capsys, "targets", "--toml", "halfboard")
    assert code == 2
    assert "target 'halfboard' of the package halfplugin can't be loaded (entry point halfboard = halfplugin:" in line
    assert line.endswith("ModuleNotFoundError: No module named 'no_such_library'")
    done = subprocess.run(
        [sys.executable, "-m", "rdpass", "targets", "--json"], capture_output=True, text=True, check=True
    )
    assert "halfboard" not in done.stdout
    assert json.loads(done.stdout)[3]["name"] == "rpi5"
    assert "left out: target 'halfboard'" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_program_registers_is_found_by_name_in_it(site):
    @rdpass.registry.recipes.register("nothing_much")
    def keep(traced, plan, request):
        return "no removal"

    with pytest.raises(ConfigError, match="recipe 'nothing_much' is to give a Removal, not a str"):
        rdpass.convert(seeded(small_resnet_of_four), X, recipe="nothing_much")
    mine = rdpass.Target("mine", "aarch64-linux-gnu", "cortex-a53", 2, ("asimd",))
    rdpass.registry.targets.register("mine")(mine)
    assert rdpass.registry.targets.find("mine") is mine
    with pytest.raises(ConfigError, match=r"target 'yours' is to be a Target of that name, .* not one called 'mine'"):
        rdpass.registry.targets.register("yours")(mine)
    with pytest.raises(ConfigError, match="'auto' is no name for a recipe"):
        rdpass.registry.recipes.register("auto")(keep)


def test_importing_the_registries_loads_neither_torch_nor_tvm_nor_numpy():
    code = (
        "import sys, rdpass; rdpass.registry, rdpass.registry.__doc__;"
        " print(sorted({'torch', 'tvm', 'tvm_ffi', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

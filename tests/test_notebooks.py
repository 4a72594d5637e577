"""The notebooks run from top to bottom, on small settings."""

import json
import re
from importlib.util import find_spec

import pytest

from tests.test_links import ROOT

NOTEBOOKS = ROOT / "docs/notebooks"
SMALL = {
    "classifier_to_a_pi": {"BUILD_FOR": "host", "EPOCHS": 1, "IMAGES": 256},
    "inspecting_five_networks": {"NETWORKS": ("resnet18", "mobilenet_v2"), "SIDE": 64},
}
"""What each notebook's first cell of code sets, as small as it runs."""

WANTED = {
    "classifier_to_a_pi": ("add_5", "distilled", "dB", "int8     top-1", "manifest.json"),
    "inspecting_five_networks": ("8 of 8 shortcuts removable", "10 of 10", "mobilenet_v2:"),
}


def code_of(name):
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_every_notebook_is_run_and_is_kept_without_outputs():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == SMALL.keys()
    for path in NOTEBOOKS.glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        assert all(cell.get("outputs", []) == [] for cell in cells)
        assert cells[0]["cell_type"] == "markdown"


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_notebook_runs_from_top_to_bottom(name, tmp_path, monkeypatch, capsys):
    if name == "inspecting_five_networks" and find_spec("torchvision") is None:
        pytest.skip("the extra [zoo] is not installed")
    monkeypatch.chdir(tmp_path)
    settings, *cells = code_of(name)
    names = {}
    exec(compile(settings, name, "exec"), names)
    assert names.keys() >= SMALL[name].keys()
    names |= SMALL[name]
    for number, cell in enumerate(cells):
        exec(compile(cell, f"{name}, cell {number}", "exec"), names)
    said = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert [part for part in WANTED[name] if part not in said] == []

"""``rdpass recipes``: each name, where it comes from, and why one can't be used."""

from __future__ import annotations

import json

import pytest

from rdpass.cli.app import run
from rdpass.recipes.catalogue import RECIPES, recipes
from tests.cli.given import RESNET, failure


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A package that works and one that does not; what they bring is forgotten after."""
    sources = {"goodpack": "def carried(traced, plan, request): ...\n", "badpack": "import no_such_library\n"}
    points = {
        "goodpack": "[rdpass.recipes]\ncarried = goodpack:carried\n",
        "badpack": "[rdpass.recipes]\nbroken = badpack:broken\n[rdpass.losses]\nlost = badpack:lost\n",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(points[name])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(recipes, "_known", dict(recipes._known))


def test_names_come_with_the_package_and_ours_are_first(packages, capsys):
    assert run(["recipes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    ours = [(row["kind"], row["name"]) for row in rows if row["origin"] == "rdpass"]
    assert ours == [
        *(("recipe", recipe.name) for recipe in RECIPES), ("loss", "cross_entropy"), ("distance", "relative")
    ]  # fmt: skip
    by_name = {row["name"]: row for row in rows}
    assert (by_name["migrate"]["needs_data"], by_name["migrate"]["defaults"]["lr"]) == (True, 0.04)
    assert (by_name["carried"]["origin"], by_name["carried"]["needs_data"]) == ("goodpack", False)
    for name in ("broken", "lost"):
        assert by_name[name]["origin"] == "badpack"
        assert "of the package badpack can't be loaded" in by_name[name]["unusable"]
        assert "No module named 'no_such_library'" in by_name[name]["unusable"]


def test_a_broken_package_is_named_where_it_is_asked_for_and_breaks_nothing_else(packages, tmp_path, capsys):
    assert run(["recipes"]) == 0
    table = capsys.readouterr()
    assert "trains on data; lr 0.04" in table.out
    assert "Traceback" not in table.err
    code, line = failure(capsys, "convert", RESNET, "--recipe", "broken", "-o", tmp_path / "run")
    assert (code, "recipe 'broken' of the package badpack can't be loaded" in line) == (2, True)
    assert run(["convert", RESNET, "--input", "1x3x8x8", "--recipe", "keep", "-o", str(tmp_path / "kept")]) == 0

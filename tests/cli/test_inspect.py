"""``rdpass inspect``: its tables, JSON, globs and targets."""

import json

from rdpass.cli.app import run
from tests.inspected import INPUT, RESNET


def test_inspecting_a_model_without_shortcuts_is_no_error(capsys):
    assert run(["inspect", "tests.cli.given:vgg", *INPUT]) == 0
    shown = capsys.readouterr().out
    assert "strictly plain" in shown
    assert "one core of rpi4, estimated" in shown
    assert shown.endswith("Compile it as it is: there is no shortcut to remove.\n")


def test_inspect_prints_json_with_every_add(capsys):
    assert run(["inspect", RESNET, *INPUT, "--skip", "2.*", "--quick", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["adds"] == 2
    assert [(r["kind"], r["verdict"]) for r in plan["regions"]] == [("identity", "removable"), ("projection", "kept")]
    assert plan["skipped"] == []
    assert plan["forecast"]["model"]["macs"] > 0


def test_the_student_on_disk_is_inspected_as_plain(capsys, here):
    assert run(["convert", RESNET, *INPUT, "--max-macs", "9", "-o", str(here / "run")]) == 0
    capsys.readouterr()
    assert run(["inspect", str(here / "run" / "student.pt2"), "--quick", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["adds"] == 0


def test_the_command_prints_every_table_the_estimate_and_the_verdict(capsys, tmp_path):
    assert run(["inspect", RESNET, *INPUT, "--target", "rpi4", "--svg", str(tmp_path / "net.svg")]) == 0
    shown = capsys.readouterr().out
    for words in ("exact recipe", "adds fused, in place", "estimated ms on rpi4", "1 core", "4 cores",
                  "not a measurement", "one core of rpi4, estimated", "memory at the peak."):  # fmt: skip
        assert words in shown
    assert (tmp_path / "net.svg").exists()
    assert "Removing the 2 shortcuts" not in shown


def test_quick_leaves_out_the_estimate_and_ends_with_what_the_graph_says(capsys):
    assert run(["inspect", RESNET, *INPUT, "--quick"]) == 0
    shown = capsys.readouterr().out
    assert "estimated" not in shown
    assert "Removing the 2 shortcuts" in shown.splitlines()[-1]


def test_globs_select_a_module_with_all_in_it_and_one_that_names_nothing_is_refused(capsys):
    def verdicts(*options):
        assert run(["inspect", RESNET, *INPUT, "--quick", "--json", *options]) == 0
        return [region["verdict"] for region in json.loads(capsys.readouterr().out)["regions"]]

    assert verdicts("--only", "1") == ["removable", "kept"]
    assert verdicts("--only", "[12]", "--skip", "2.b*") == ["removable", "kept"]
    assert verdicts("--skip", "*") == ["kept", "kept"]
    for option in ("--only", "--skip"):
        assert run(["inspect", RESNET, *INPUT, option, "layer9.*"]) == 2
        assert "'layer9.*' names no add and no module with one" in capsys.readouterr().err


def test_an_unknown_target_ends_with_the_code_of_targets(capsys):
    assert run(["inspect", RESNET, *INPUT, "--target", "nope"]) == 6
    assert "no target is called 'nope'" in capsys.readouterr().err

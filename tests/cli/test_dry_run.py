"""``rdpass convert --dry-run``: the plan, the data and the settings, and nothing written."""

import json

from rdpass.cli.app import run

RESNET, DATA = "tests.cli.given:resnet", ("--data", "tests.cli.given:data")


def test_a_dry_run_tells_the_plan_the_data_and_the_settings_and_writes_nothing(capsys, tmp_path):
    command = ["convert", RESNET, *DATA, "--epochs", "3", "--skip", "2.*", "--dry-run", "-o", str(tmp_path / "run")]
    assert run(command) == 0
    printed = capsys.readouterr().out
    assert "removed by migrate" in printed
    assert "kept" in printed
    assert "batches 2, rows of the first 16, steps 6" in printed
    assert "epochs = 3" in printed
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["config"]["train"]["epochs"] == 3
    assert [region["verdict"] for region in told["plan"]["regions"]] == ["removable", "kept"]
    assert list(tmp_path.iterdir()) == []


def test_without_data_there_are_no_batches_and_a_mistake_is_the_conversions_own(capsys, tmp_path):
    command = ["convert", RESNET, "--input", "1x3x8x8", "--dry-run", "-o", str(tmp_path / "run"), "--json"]
    assert run([*command, "--recipe", "carry"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == {}
    for words, reason in (
        (["--recipe", "migrate"], "give it data"),
        (["--set", "loss=nothing"], "nothing"),
        (["--only", "layer9.*"], "names no add"),
    ):
        assert run([*command, *words]) == 2, words
        assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_first_batch_is_looked_at(capsys, tmp_path):
    command = ["convert", RESNET, "--dry-run", "-o", str(tmp_path / "run"), "--data"]
    assert run([*command, "tests.cli.given:poisoned"]) == 5
    assert "batch 0 holds inputs that are not" in capsys.readouterr().err


def test_pairs_that_would_merge_are_found(capsys, tmp_path):
    command = ["convert", "tests.cli.given:bottlenecks", *DATA, "--set", "train.student.merge_pairs=true", "--dry-run"]
    assert run([*command, "-o", str(tmp_path / "run"), "--json"]) == 0
    (pair,) = json.loads(capsys.readouterr().out)["merging"]["pairs"]
    assert (pair["macs"], pair["merged_macs"]) == (64 * 2 * 8 * 4, 64 * 4 * 4)
    assert run([*command, "-o", str(tmp_path / "run")]) == 0
    assert "1_body_6, _2_body_0" in capsys.readouterr().out
    assert run([*command, "-o", str(tmp_path / "run"), "--recipe", "keep"]) == 2
    assert "no pair can merge" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_pruning_is_tried_as_far_as_its_widths(capsys, tmp_path):
    command = ["convert", RESNET, *DATA, "--recipe", "prune", "--set", "train.prune.share=0.2", "--dry-run"]
    assert run([*command, "-o", str(tmp_path / "run"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {width["layer"]: width["after"] for width in told["pruning"]["widths"]}["2.body.0"] == 4
    assert run([*command, "-o", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    assert "would be pruned by 2" in printed
    assert "removed by" not in printed
    assert list(tmp_path.iterdir()) == []

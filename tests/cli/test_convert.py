"""``rdpass convert``: what is left of its settings in the run folder, and what a dry run tells."""

import json
import re
import tomllib

import onnx
import pytest

from rdpass.cli.app import run
from rdpass.cli.student_file import student_file
from rdpass.report.page import write_report
from rdpass.runs.folder import load_run
from rdpass.training.records import read_history
from tests.cli.given import failure

RESNET, DATA = "tests.cli.given:resnet", ("--data", "tests.cli.given:data")


def test_a_run_folder_says_how_to_make_it_again(capsys, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    options = ("--epochs=2", "--accumulate=2", "--clip=1", "--on-nan=rollback", "--set=train.log_steps=1")
    assert run(["convert", RESNET, *DATA, *options, "--recipe", "migrate", "-o", str(first), "--json"]) == 0
    settings = tomllib.loads((first / "config.toml").read_text())
    assert (settings["recipe"], settings["train"]["accumulate"], settings["train"]["clip"]) == ("migrate", 2, 1.0)
    lines = read_history(first / "history.jsonl")
    assert [(line["kind"], line["step"]) for line in lines] == [("step", 1), ("epoch", 1), ("step", 2), ("epoch", 2)]
    assert {"loss", "loss.task", "loss.teacher", "lr", "gradient_norm"} <= lines[0].keys()
    assert [line["faded"] for line in lines if line["kind"] == "step"] == [0.0, 1.0]
    assert 0 <= lines[1]["accuracy"] <= 100
    capsys.readouterr()
    assert run(["convert", RESNET, *DATA, "--config", str(first / "config.toml"), "-o", str(second), "--json"]) == 0
    assert (
        json.loads(capsys.readouterr().out)["history"] == json.loads((first / "conversion.json").read_text())["history"]
    )
    assert (first / "student.safetensors").read_bytes() == (second / "student.safetensors").read_bytes()
    assert (first / "config.toml").read_text() == (second / "config.toml").read_text()


def test_tensorboard_that_is_missing_is_named_before_the_first_step(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    code, line = failure(capsys, "convert", RESNET, *DATA, "--tensorboard", "-o", tmp_path / "run")
    assert code == 2
    assert "pip install 'rdpass[train]'" in line
    assert list(tmp_path.iterdir()) == []


def test_convert_trains_with_data_shows_plain_lines_and_prints_json(capsys, here):
    out = here / "run"
    assert run(["convert", RESNET, "--data", "tests.cli.given:data", "--epochs", "2", "-o", str(out), "--json"]) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert (summary["recipe"], summary["shortcuts_before"], summary["shortcuts_after"]) == ("migrate", 2, 0)
    assert len(summary["history"]) == 2
    assert "epoch 2/2" in printed.err
    assert "\x1b[" not in printed.err
    assert json.loads((out / "conversion.json").read_text())["outcomes"][0]["how"] == "distilled"


def test_batches_in_dicts_give_the_example_too(capsys, here):
    command = ["convert", RESNET, "--data", "tests.cli.given:named", "--recipe", "kd", "--epochs", "1"]
    assert run([*command, "-o", str(here / "run"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shortcuts_after"] == 0


DETECTOR, BOXES = "tests.cli.given:detector", ("--data", "tests.cli.given:boxes")
BOX_LOSS = ("--loss", "tests.cli.given:box_loss")
ONCE = ("--recipe", "kd", "--epochs", "1")


@pytest.mark.parametrize(
    ("model", "data", "more", "said"),
    [
        (DETECTOR, "boxes", (), "batch 0: targets of shape (16, 6, 4) and type float32 are no class indices"),
        (RESNET, "boxes_to_validate", (), "no class indices for logits of shape (16, 4)"),
        (
            DETECTOR,
            "boxes",
            ("--loss", "tests.cli.given:raising_loss"),
            "batch 0: the loss raised AttributeError",
        ),
        (DETECTOR, "boxes", ("--loss", "tests.cli.given:boxes"), "is to be a function of (outputs, batch)"),
        (DETECTOR, "boxes", ("--loss", "tests.cli.given:nothing"), "the loss 'tests.cli.given:nothing' can't be found"),
        (DETECTOR, "boxes", ("--set", "loss=tests.cli.given:box_loss"), "--loss tests.cli.given:box_loss"),
    ],
    ids=["boxes", "validation", "raises", "no arguments", "missing", "a setting"],
)
def test_what_can_not_be_learnt_from_is_refused_at_the_first_batch(capsys, here, model, data, more, said):
    command = ["convert", model, "--data", f"tests.cli.given:{data}", "--epochs", "2", *more]
    for dry in ([], ["--dry-run"]):
        assert run([*command, *dry, "-o", str(here / "run")]) == 2
        told = capsys.readouterr().err
        assert said in told
        assert "epoch 1/2" not in told
        assert not (here / "run").exists()


def test_a_detector_learns_by_a_loss_and_a_distance_of_the_users(capsys, here):
    distance = ("--distance", "tests.cli.given:box_distance")
    assert run(["convert", DETECTOR, *BOXES, *BOX_LOSS, *distance, *ONCE, "-o", str(here / "run"), "--json"]) == 0
    (record,) = json.loads(capsys.readouterr().out)["history"]
    # What the functions give at the first step can be computed here: the student starts as the teacher without adds.
    assert record["loss.task"] > 0.1  # a tenth of the mean of boxes up to 8 pixels: not a cross-entropy's share
    settings = tomllib.loads((here / "run" / "config.toml").read_text())
    assert (settings["loss"], settings["distance"]) == (BOX_LOSS[1], distance[1])
    # The settings name code, and a file that was handed on runs none: it is to be named again.
    again = ["convert", DETECTOR, *BOXES, "--config", str(here / "run" / "config.toml"), "-o", str(here / "again")]
    code, line = failure(capsys, *again)
    assert (code, f"--loss {BOX_LOSS[1]}" in line) == (2, True)
    assert run([*again, *BOX_LOSS, *distance]) == 0
    assert (here / "again" / "student.safetensors").read_bytes() == (here / "run" / "student.safetensors").read_bytes()


def test_a_tolerance_of_the_users_holds_for_every_gate_and_is_in_the_record(capsys, here):
    command = ["convert", RESNET, "--input", "1x3x8x8", "--max-macs", "9", "--tolerance", "0.002", "-o"]
    assert run([*command, str(here / "run"), "--json"]) == 0
    gates = json.loads(capsys.readouterr().out)["gates"]
    assert {(gate["tolerance"], gate["tolerance_by"], gate["oracle"]) for gate in gates} == {(0.002, "user", "float32")}
    assert tomllib.loads((here / "run" / "config.toml").read_text())["tolerance"] == 0.002
    assert run([*command, str(here / "shown")]) == 0
    assert "2e-03 (yours)" in capsys.readouterr().out
    # What was recorded stays the user's, and what comes behind has its own tolerance again.
    assert run(["export", str(here / "run"), "-o", str(here / "s.onnx")]) == 0
    recorded = json.loads(onnx.load(here / "s.onnx").metadata_props[0].value)
    assert [(gate["tolerance_by"], gate["tolerance"]) for gate in recorded[-1:]] == [("rdpass", 1e-5)]
    assert recorded[0]["tolerance_by"] == "user"


@pytest.mark.parametrize("given", ["-1e-3", "nan", "inf"])
def test_a_tolerance_that_is_no_error_is_refused_by_every_command_with_gates(capsys, here, given):
    for command in (
        ["convert", RESNET, "--input", "1x3x8x8", "-o", here / "run"],
        ["export", RESNET, "--input", "1x3x8x8", "-o", here / "s.onnx"],
        ["inspect", RESNET, "--input", "1x3x8x8"],
    ):
        code, line = failure(capsys, *command, f"--tolerance={given}")
        assert code == 2
        assert "tolerance" in line
    assert list(here.iterdir()) == []


def test_quantize_trains_in_int8_says_what_that_is_worth_and_compile_takes_it_as_it_is(capsys, here):
    command = ["convert", RESNET, *DATA, "--epochs", "1", "--quantize", "int8", "--set", "train.quantize.epochs=1"]
    assert run([*command, "--dry-run", "-o", str(here / "run")]) == 0
    assert "steps in int8 2" in capsys.readouterr().out
    assert run([*command, "-o", str(here / "run")]) == 0
    printed = capsys.readouterr().out
    training = json.loads((here / "run" / "conversion.json").read_text())["int8"]["training"]
    for figure in ("float_network", "rounded", "trained"):
        assert f"{training[figure]:.2f} %" in printed
    assert "the int8 file holds the trained network" in printed
    assert tomllib.loads((here / "run" / "config.toml").read_text())["quantize"] == "int8"
    with student_file(here / "run", "int8", None) as file:
        assert file == here / "run" / "student-int8.onnx"
    said = capsys.readouterr().err
    assert "student-int8.onnx is taken as it is: the int8 file holds the trained network, top class right" in said
    with student_file(here / "run", "int8", DATA[1]) as file:  # unless it is to be quantised anew
        assert file != here / "run" / "student-int8.onnx"
    page = write_report(here / "run", here / "page.html").read_text()
    assert "int8, rounded alone" in page
    assert f"{training['trained']:.2f} %" in page
    assert "Loss, in int8" in page


def test_quantize_takes_int8_alone_and_needs_data(capsys, here):
    for words, said in (
        (("--quantize", "int4", *DATA), "quantize"),
        (("--quantize", "int8", "--input", "1x3x8x8"), "give it data"),
    ):
        code, line = failure(capsys, "convert", RESNET, *words, "-o", here / "run")
        assert code == 2
        assert said in line
    assert list(here.iterdir()) == []


def test_prune_shows_widths_what_it_saved_and_why_layers_keep_their_channels(capsys, here):
    out, share = here / "run", ("--set", "train.prune.share=0.2")
    assert run(["convert", RESNET, *DATA, "--recipe", "prune", *share, "--epochs", "1", "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"2\.body\.0 +8 +4 *\n", printed)
    assert "an output of the network" in printed
    assert re.search(r"pruned by 2\d\.\d %: 39\.7 k → 3\d\.\d k MACs, .* saved to", printed)
    assert "shortcuts removed" not in printed
    page = write_report(out, here / "page.html").read_text()
    assert "<h2>Pruned</h2>" in page
    loaded = load_run(out)
    layers = dict(loaded.student.named_modules())
    assert [len(layers[width.layer].weight) for width in loaded.pruning.widths] == [4, 4, 4, 4, 4, 4, 4]
    assert loaded.gates[-1].name == "saved"


def test_a_budget_that_can_not_be_met_is_told_before_anything_is_trained(capsys, here):
    code, line = failure(capsys, "convert", RESNET, *DATA, "--recipe", "prune", "-o", here / "run")
    assert code == 2
    assert "no more than 23.9% of the multiply-accumulates can leave" in line
    assert not (here / "run").exists()


@pytest.mark.slow
def test_a_run_folder_is_a_model_that_another_recipe_goes_on_from(capsys, here):
    narrow, both = str(here / "narrow"), str(here / "both")
    share = ("--set", "train.prune.share=0.2", "--epochs", "1")
    assert run(["convert", RESNET, *DATA, "--recipe", "prune", *share, "-o", narrow]) == 0
    capsys.readouterr()
    assert run(["inspect", narrow, "--quick", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["forecast"]["model"]["macs"] < 39712
    further = ["convert", narrow, *DATA, "--recipe", "migrate", "--teacher", RESNET, "--epochs", "1"]
    assert run([*further, "-o", both, "--json"]) == 0
    printed = capsys.readouterr()
    assert "gradients are clipped to a norm of 1" in printed.err
    summary = json.loads(printed.out)
    assert (summary["shortcuts_before"], summary["shortcuts_after"], summary["pruning"]) == (2, 0, None)
    settings = tomllib.loads((here / "both" / "config.toml").read_text())
    assert (settings["train"]["clip"], settings["train"]["paths"]["mixed"]) == (1.0, False)
    code, line = failure(capsys, *further, "--force", "-o", narrow)
    assert code == 2
    assert "is an input of this command" in line


def test_with_a_board_a_conversion_says_what_was_forecast_and_what_came_out(capsys, tmp_path):
    out = tmp_path / "run"
    assert (
        run(["convert", RESNET, *DATA, "--recipe", "plain", "--epochs", "1", "--target", "rpi4", "-o", str(out)]) == 0
    )
    printed = capsys.readouterr().out
    found = load_run(out).estimated
    assert (found.target, found.skipped) == ("rpi4", ())
    costs = {choice.network: choice for choice in found.choices}
    assert list(costs) == ["as it is", "plain", "student"]
    assert costs["student"].ms == pytest.approx(costs["plain"].ms)
    assert costs["student"].ms < costs["as it is"].ms
    assert "one core of rpi4, estimated" in printed
    page = write_report(out, tmp_path / "report.html").read_text()
    for name, choice in costs.items():
        assert re.search(rf"{name} +{choice.ms:.3g} ", printed)
        assert f'{name}</td><td class="number" data-label="one inference">{choice.ms:.3g} ms</td>' in page


def test_pairs_that_merged_are_told_in_the_table_the_record_and_the_page(capsys, tmp_path):
    out, asked = tmp_path / "run", ("--set", "train.student.merge_pairs=true", "--set", "train.lr=0.01")
    bottlenecks = "tests.cli.given:bottlenecks"
    assert run(["convert", bottlenecks, *DATA, *asked, "--epochs", "1", "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"_1_body_6, _2_body_0 +_2_body_0 +4\.1 k +1\.02 k", printed)
    (pair,) = load_run(out).merging.pairs
    assert json.loads((out / "conversion.json").read_text())["merging"]["pairs"] == [vars(pair)]
    page = write_report(out, tmp_path / "report.html").read_text()
    assert "_1_body_6, _2_body_0" in page


def test_a_board_that_is_not_known_is_refused_before_anything_is_done(capsys, tmp_path):
    code, line = failure(capsys, "convert", RESNET, *DATA, "--target", "abacus", "-o", tmp_path / "run")
    assert code == 6
    assert "abacus" in line
    assert list(tmp_path.iterdir()) == []

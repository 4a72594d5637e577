"""``rdpass fit``: what is printed and kept, exit codes, and the whole road of a search on a small network."""

import json

import jsonschema
import pytest

from rdpass.cli.app import run
from rdpass.fitting.record import read_fit
from tests.cli.given import failure
from tests.fitting.test_record import schema

RESNET, DATA = "tests.cli.given:resnet", ("--data", "tests.cli.given:data")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--latency", "30"), 2, "latency is a number and its unit (us, ms, s, min, h), as 30ms, not '30'"),
        (("--peak", "1M"), 2, "peak is a number and its unit"),
        (("--latency", "3ms", "--set", "train.epochs=0"), 2, "train.epochs"),
        ((), 2, "there is no budget: give latency, peak, size or drop"),
        (("--latency", "3ms", "--target", "host"), 6, "cores of ARM's alone"),
    ],
)
def test_a_wrong_call_ends_with_one_line_before_any_work(capsys, here, arguments, code, said):
    arguments = arguments if "--target" in arguments else (*arguments, "--target", "rpi5")
    found, line = failure(capsys, "fit", RESNET, *DATA, *arguments, "-o", here / "fit")
    assert (found, said in line) == (code, True), line
    assert list(here.iterdir()) == []


def test_data_without_images_held_out_are_refused(capsys, here):
    code, line = failure(
        capsys,
        "fit",
        RESNET,
        "--data",
        "tests.cli.given:named",
        "--target",
        "rpi5",
        "--peak",
        "1MB",
        "-o",
        here / "fit",
    )
    assert (code, "give train= and validate=" in line) == (2, True)


@pytest.mark.slow
def test_a_dry_run_prints_the_table_of_costs_and_ends_with_4_where_nothing_keeps_to_the_limits(capsys, here):
    command = ["fit", RESNET, "--input", "1x3x8x8", "--target", "rpi5", "--precision", "float32", "--dry-run"]
    assert run([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema())
    assert [each["name"] for each in document["networks"]][:3] == ["as it is", "exact", "plain"]
    assert run([*command, "--peak", "1kB"]) == 4
    printed = capsys.readouterr()
    assert "without 1 of 2 (time)" in printed.out
    assert "% too much" in printed.out
    assert "Nothing meets the budget. Nearest by its cost:" in printed.err
    assert list(here.iterdir()) == []


@pytest.mark.slow
def test_a_search_leaves_points_that_compile_evaluate_and_export_take(capsys, here):
    """The budget is one that only networks without shortcuts keep to."""
    out = here / "fit"
    command = ["fit", RESNET, *DATA, "--target", "rpi5", "--precision", "float32", "--precision", "int8"]
    command += ["--latency", "0.008ms", "--drop", "90", "--epochs", "1", "--points", "1", "-o", str(out)]
    assert run(command) == 0
    printed = capsys.readouterr()
    assert "meets the budget" in printed.out
    assert "fit: training 1 of 1" in printed.err
    found = read_fit(out)
    jsonschema.validate(json.loads((out / "fit.json").read_text()), schema())
    assert found.best.measured.how == "trained"
    assert f"rdpass compile {out}/{found.best.measured.folder} --target rpi5 --precision float32" in printed.out
    place = str(out / found.best.measured.folder)
    assert run(["export", place, "-o", str(here / "best.onnx")]) == 0
    assert (
        run(["evaluate", RESNET, place, str(out / "points" / "as-it-is" / "student-int8.onnx"), *DATA, "--json"]) == 0
    )
    told = json.loads(capsys.readouterr().out.partition("{")[2].join(["{", ""]))
    assert told["networks"][1]["figures"]["top-1"]["value"] == found.best.measured.figure.value
    assert run(["compile", place, "--target", "host", "-o", str(here / "best.rdp")]) == 0
    assert run(["compile", str(out / "points" / "as-it-is"), "--target", "host", "--precision", "int8", "-o",
                str(here / "own.rdp")]) == 0  # fmt: skip
    capsys.readouterr()
    assert run([*command, "--resume", "auto", "--json"]) == 0
    printed = capsys.readouterr()
    assert "fit: " not in printed.err
    assert json.loads(printed.out)["best"]["folder"] == found.best.measured.folder

"""The settings of ``rdpass convert``: files, single settings, options, and what is left of them in the run folder."""

import json
import tomllib

import pytest

from rdpass.cli.app import run
from rdpass.core.errors import ConfigError
from rdpass.runs.settings import read_convert_config, to_toml
from rdpass.training.records import read_history
from tests.cli.test_app import failure

RESNET, DATA = "tests.cli.test_app:resnet", ("--data", "tests.cli.test_app:data")


def test_options_go_over_single_settings_and_those_over_the_file(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('recipe = "kd"\nmax_macs = 2.0\n[train]\nlr = 0.5\nepochs = 3\n[train.paths]\nmixed = true\n')
    sets = ("train.lr=0.25", "train.paths.floor = 0.1", "only=['a', 'b']", "train.amp=bf16", "train.epochs=4")
    settings = read_convert_config(file, sets, {"train.epochs": 5, "train.clip": None})
    assert (settings.recipe, settings.max_macs, settings.only) == ("kd", 2.0, ("a", "b"))
    assert (settings.train.lr, settings.train.epochs, settings.train.amp) == (0.25, 5, "bf16")
    assert (settings.train.paths.mixed, settings.train.paths.floor) == (True, 0.1)
    assert settings.train.model_fields_set == {"lr", "epochs", "amp", "paths"}
    assert read_convert_config(None, (), {}).train.clip is None


def test_settings_written_as_toml_read_back_as_the_same(tmp_path):
    file = tmp_path / "c.toml"
    sets = ('only=["a\\"b", "ü"]', "train.clip=1.5", "train.tensorboard=true", "train.checkpoint_seconds=1e9")
    settings = read_convert_config(None, sets, {})
    file.write_text(to_toml(settings.model_dump()))
    assert read_convert_config(file, (), {}) == settings


@pytest.mark.parametrize(
    ("text", "sets", "message"),
    [
        ("data = 'os:getcwd'", (), "data: a configuration runs no code"),
        ("model = 'os:getcwd'", (), "name the model on the command line"),
        ("epochs = 3", (), "epochs: Extra inputs"),
        ("[train]\nlr = -1", (), r"train.lr: .*greater than 0, got -1"),
        ("[train]\non_nan = 'ignore'", (), "train.on_nan"),
        ("[train", (), "can't be read"),
        ("", ("train.lr",), "write --set train.lr"),
        ("", ("recipe.name=1",), "recipe"),
        ("recipe = 'kd'", ("recipe.name=1",), "recipe is a value, not a table"),
    ],
)
def test_a_wrong_setting_is_named_by_its_dotted_name(tmp_path, text, sets, message):
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_convert_config(file, sets, {})


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


def test_tensorboard_that_is_missing_is_named_before_the_first_step(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    code, line = failure(capsys, "convert", RESNET, *DATA, "--tensorboard", "-o", tmp_path / "run")
    assert code == 2
    assert "pip install 'rdpass[train]'" in line
    assert list(tmp_path.iterdir()) == []

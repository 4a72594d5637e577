"""The settings of a conversion: files, single settings, options, the later over the earlier."""

import pytest

from rdpass.core.errors import ConfigError
from rdpass.runs.settings import read_convert_config, to_toml


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


def test_settings_of_parameters_are_tables_by_globs_which_stand_in_quotes(tmp_path):
    sets = ("train.optimiser=adamw", "train.lr=1e-3", "train.optimiser_options.betas=[0.9, 0.95]",
            'train.parameters."layer1.*".lr_scale=0.1', "train.parameters.'*.bias'.weight_decay=0")  # fmt: skip
    settings = read_convert_config(None, sets, {})
    assert settings.train.optimiser_options == {"betas": (0.9, 0.95)}
    assert [(glob, each.lr_scale, each.weight_decay) for glob, each in settings.train.parameters.items()] == [
        ("layer1.*", 0.1, None),
        ("*.bias", None, 0.0),
    ]
    file = tmp_path / "c.toml"
    file.write_text(to_toml(settings.model_dump()))
    assert read_convert_config(file, (), {}) == settings


def test_a_function_is_typed_and_never_taken_from_a_file(tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('[train]\nlr = 0.1\noptimiser = "torch.optim:Adam"\nschedule = "timm:cosine"\n')
    with pytest.raises(ConfigError, match=r"train.optimiser: .* on the command line: --set train.optimiser=torch.opt"):
        read_convert_config(file, (), {})
    assert read_convert_config(file, ("train.optimiser=torch.optim:AdamW",), {}).train.optimiser == "torch.optim:AdamW"


@pytest.mark.parametrize(
    ("text", "sets", "message"),
    [
        ("data = 'os:getcwd'", (), "data: a configuration runs no code"),
        ("model = 'os:getcwd'", (), "name the model on the command line"),
        ("epochs = 3", (), "epochs: there is no such setting; did you mean 'train.epochs'?"),
        ("[train]\nlr = -1", (), r"train.lr: .*greater than 0, got -1"),
        ("[train]\non_nan = 'ignore'", (), "train.on_nan"),
        ("[train", (), "can't be read"),
        ("", ("train.lr",), "write --set train.lr"),
        ("", ("train.optimizer=adamw",), "there is no such setting; did you mean 'train.optimiser'?"),
        ("", ("schedule=linear",), "schedule: there is no such setting; did you mean 'train.schedule'?"),
        ("", ("train.parameters.*.lr_scale=1",), "is not understood .*a glob stands in quotes"),
        ("", ("train.parameters.'*'.lr=1",), "there is no such setting; parameters have lr_scale, weight_decay"),
        ("", ("recipe.name=1",), "recipe"),
        ("recipe = 'kd'", ("recipe.name=1",), "recipe is a value, not a table"),
    ],
)
def test_a_wrong_setting_is_named_by_its_dotted_name(tmp_path, text, sets, message):
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_convert_config(file, sets, {})


def test_toml_has_its_tables_last_and_no_word_for_none():
    text = to_toml({"b": {"c": 1, "d": {"e": [1, 2]}, "f": None}, "a": "x", "g": None, "h": True})
    assert text == 'a = "x"\nh = true\n\n[b]\nc = 1\n\n[b.d]\ne = [1, 2]\n'


@pytest.mark.parametrize(
    ("text", "value"), [("kd", "kd"), ("'kd'", "kd"), (" kd ", "kd"), ("a=b", "a=b"), ("[1", "[1"), ("", "")]
)
def test_a_single_setting_that_is_no_toml_is_the_text_itself(text, value):
    assert read_convert_config(None, (f"recipe={text}",), {}).recipe == value


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    for name in ("none.toml", "bytes.toml"):
        with pytest.raises(ConfigError, match=f"--config .*{name} can't be read"):
            read_convert_config(tmp_path / name, (), {})


def test_no_setting_runs_code_wherever_it_is_given():
    for sets, options in ((("model=os:getcwd",), {}), ((), {"data": "os:getcwd"})):
        with pytest.raises(ConfigError, match="a configuration runs no code"):
            read_convert_config(None, sets, options)

"""Settings: refused by name, and filled up with a recipe's."""

import pytest
from pydantic import ValidationError

from rdpass.core.errors import ConfigError
from rdpass.training.config import DistillConfig, distill_config, with_defaults


@pytest.mark.parametrize("settings", [{"epochs": 0}, {"lr": -1.0}, {"fade": 2.0}, {"unknown": 1}])
def test_a_wrong_setting_is_named(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        distill_config(**settings)


def test_settings_that_are_none_are_left_unsaid():
    config = distill_config(lr=0.3, clip=None, epochs=None)
    assert config.model_fields_set == {"lr"}
    assert config.epochs == DistillConfig().epochs


def test_a_nested_mistake_is_named_by_its_path_with_what_was_given():
    with pytest.raises(ConfigError, match=r"paths\.floor: .*got 3"):
        distill_config(paths={"floor": 3})
    with pytest.raises(ConfigError, match=r"student\.initialise: .*got 'cold'"):
        distill_config(student={"initialise": "cold"})


def test_defaults_fill_up_what_was_not_said_at_every_depth():
    said = DistillConfig(lr=0.3, paths={"floor": 0.1})
    filled = with_defaults(said, {"lr": 0.1, "alpha": 0.0, "paths": {"floor": 0.5, "mixed": True}})
    assert (filled.lr, filled.alpha, filled.paths.floor, filled.paths.mixed) == (0.3, 0.0, 0.1, True)
    assert (said.alpha, said.paths.mixed) == (0.9, False)


def test_settings_go_through_json_and_do_not_change():
    config = DistillConfig(amp="bf16", clip=1.0)
    assert DistillConfig.model_validate_json(config.model_dump_json()) == config
    with pytest.raises(ValidationError, match="frozen"):
        config.lr = 1.0
